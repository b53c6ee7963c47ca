using System.Collections.Immutable;
using System.Numerics;

namespace TeRA.Kernels.Verification;

/// <summary>
/// An update as five dense matrices, ΔW = Left·diag(D)·Core·diag(E)·Right, formed straight from the method's definition; null stands for
/// the identity. It reads sizes, seed and streams from the definition in words (core 0, row factors 1…p, column factors p+1…p+q), not from
/// the operators that the planner sees.
/// </summary>
internal sealed class UpdateMatrices<T> where T : unmanaged, INumber<T>
{
    private readonly Func<double, T> of;
    private readonly WeightUpdate update;

    /// <summary>Forms the matrices.</summary>
    /// <param name="update">The method.</param>
    /// <param name="trained">Its trained tensors.</param>
    /// <param name="of">What becomes of each number: conversion to T, and the reference's magnitude.</param>
    public UpdateMatrices(WeightUpdate update, double[][] trained, Func<double, T> of)
    {
        this.update = update;
        this.of = of;
        Trained = Array.ConvertAll(trained, tensor => Array.ConvertAll(tensor, number => of(number)));
        (R, S) = (update.OutFeatures, update.InFeatures);
        Alpha = of(update.Alpha);
        switch (update)
        {
            case TeraUpdate tera:
                FormTera(tera);
                break;
            case LowRankUpdate lora:
                (R, S, Left, Right) = (lora.Rank, lora.Rank, Trained[1], Trained[0]);
                break;
            case SharedCoreUpdate shared:
                (R, S, Core) = (shared.Rank, shared.Rank, Trained[0]);
                Left = Random(shared.Source, 0, update.OutFeatures * R);
                Right = Random(shared.Source, 1, S * update.InFeatures);
                break;
            case FullUpdate:
                Core = Trained[0];
                break;
            default:
                throw new NotSupportedException($"The reference has no definition of the method {update.Method}.");
        }
    }

    /// <summary>Columns of Left.</summary>
    public long R { get; private set; }

    /// <summary>Rows of Right.</summary>
    public long S { get; private set; }

    /// <summary>α.</summary>
    public T Alpha { get; private set; }

    /// <summary>N×R.</summary>
    public T[]? Left { get; private set; }

    /// <summary>R numbers.</summary>
    public T[]? D { get; private set; }

    /// <summary>R×S.</summary>
    public T[]? Core { get; private set; }

    /// <summary>S numbers.</summary>
    public T[]? E { get; private set; }

    /// <summary>S×K.</summary>
    public T[]? Right { get; private set; }

    private T[][] Trained { get; }

    /// <summary>α·ΔW, N×K.</summary>
    /// <param name="store">What becomes of each matrix that a plain implementation would store; nothing for the truth.</param>
    public T[] Delta(Func<T[], T[]>? store = null)
    {
        store ??= static matrix => matrix;
        (long n, long k) = (update.OutFeatures, update.InFeatures);
        T[]? left = Left is null ? null : store(Dense.ScaleColumns(store(Left), D));
        T[]? core = Core is null ? null : store(Dense.ScaleColumns(store(Core), E));
        T[] product = left is null ? core! : core is null ? left : store(Dense.Multiply(left, core, n, S, R));
        product = Right is null ? product : Dense.Multiply(product, store(Right), n, k, S);
        return Array.ConvertAll(product, element => Alpha * element);
    }

    /// <summary>The gradients of the trained tensors from the three projections of dW = dYᵀ·X.</summary>
    /// <param name="both">H = Leftᵀ·dW·Rightᵀ, R×S.</param>
    /// <param name="left">Leftᵀ·dW, R×K.</param>
    /// <param name="right">dW·Rightᵀ, N×S.</param>
    public T[][] Gradients(Func<T[]> both, Func<T[]> left, Func<T[]> right) => update switch
    {
        TeraUpdate tera => TeraGradients(tera, both()),
        LowRankUpdate => [Scale(left()), Scale(right())],
        _ => [Scale(both())],
    };

    private static long Product(ImmutableArray<long> lengths) => lengths.Aggregate(1L, (product, length) => product * length);

    private T[] Scale(T[] values) => Array.ConvertAll(values, value => Alpha * value);

    private T[] Random(RandomSource source, uint stream, long count)
    {
        var elements = new float[count];
        RandomFactor.Fill(elements, source, stream);
        return Array.ConvertAll(elements, element => of(element));
    }

    private void FormTera(TeraUpdate tera)
    {
        int p = tera.RowModes.Length;
        (R, S) = (Product(tera.RowRanks), Product(tera.ColumnRanks));
        Alpha = of((float)(tera.Scale / Math.Sqrt((double)R * S * update.InFeatures)));
        T[][] rowFactors = [.. tera.RowModes.Select((j, n) => Random(tera.Source, (uint)(n + 1), j * tera.RowRanks[n]))];
        T[][] columnFactors = [.. tera.ColumnModes.Select((i, m) => Random(tera.Source, (uint)(p + m + 1), i * tera.ColumnRanks[m]))];
        Left = Dense.Kronecker(rowFactors, tera.RowModes, tera.RowRanks);
        Right = Dense.Transpose(Dense.Kronecker(columnFactors, tera.ColumnModes, tera.ColumnRanks), update.InFeatures, S);
        Core = Random(tera.Source, 0, R * S);
        D = OuterProduct(Trained[..p], tera.RowRanks, -1);
        E = OuterProduct(Trained[p..], tera.ColumnRanks, -1);
    }

    private static T[] OuterProduct(T[][] vectors, ImmutableArray<long> lengths, int leftOut)
    {
        var product = new T[Product(lengths)];
        for (long i = 0; i < product.Length; i++)
        {
            product[i] = T.One;
            for (int n = 0; n < vectors.Length; n++)
            {
                product[i] *= n == leftOut ? T.One : vectors[n][Dense.Digit(lengths, i, n)];
            }
        }

        return product;
    }

    // g_d[r] = α·Σ_s H[r,s]·G[r,s]·e[s], g_e[s] = α·Σ_r H[r,s]·G[r,s]·d[r], then the sums over the other modes.
    private T[][] TeraGradients(TeraUpdate tera, T[] h)
    {
        var rowGradient = new T[R];
        var columnGradient = new T[S];
        for (long r = 0; r < R; r++)
        {
            for (long s = 0; s < S; s++)
            {
                T term = Alpha * h[(r * S) + s] * Core![(r * S) + s];
                rowGradient[r] += term * E![s];
                columnGradient[s] += term * D![r];
            }
        }

        int p = tera.RowModes.Length;
        return [.. Marginals(rowGradient, Trained[..p], tera.RowRanks), .. Marginals(columnGradient, Trained[p..], tera.ColumnRanks)];
    }

    private static IEnumerable<T[]> Marginals(T[] full, T[][] vectors, ImmutableArray<long> lengths)
    {
        for (int n = 0; n < vectors.Length; n++)
        {
            T[] others = OuterProduct(vectors, lengths, n);
            var gradient = new T[lengths[n]];
            for (long i = 0; i < full.Length; i++)
            {
                gradient[Dense.Digit(lengths, i, n)] += full[i] * others[i];
            }

            yield return gradient;
        }
    }
}
