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
    private readonly T[][] stored;
    private T[] frozen = [];

    /// <summary>Forms the matrices.</summary>
    /// <param name="update">The method.</param>
    /// <param name="trained">Its trained tensors.</param>
    /// <param name="stored">The frozen tensors that it is given.</param>
    /// <param name="of">What becomes of each number: conversion to T, and the reference's magnitude.</param>
    public UpdateMatrices(WeightUpdate update, double[][] trained, double[][] stored, Func<double, T> of)
    {
        this.update = update;
        this.of = of;
        Trained = Array.ConvertAll(trained, tensor => Array.ConvertAll(tensor, number => of(number)));
        this.stored = Array.ConvertAll(stored, tensor => Array.ConvertAll(tensor, number => of(number)));
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
            case LotrUpdate lotr:
                (R, S, Core) = (lotr.Rank, lotr.Rank, Trained[0]);
                bool trains = lotr.Sides == LotrSides.Trained;
                Left = trains ? Trained[1] : Random(lotr.Source, 0, update.OutFeatures * R);
                Right = trains ? Trained[2] : Random(lotr.Source, 1, S * update.InFeatures);
                break;
            case VeraUpdate vera:
                FormVera(vera);
                break;
            case RandLoraUpdate rand:
                FormRandLora(rand);
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
        LotrUpdate { Sides: LotrSides.Trained } => [Scale(both()), .. SideGradients(left(), right())],
        VeraUpdate => VeraGradients(right()),
        RandLoraUpdate rand => RandLoraGradients(rand, update.OutFeatures >= update.InFeatures ? left() : Dense.Transpose(right(), update.OutFeatures, S)),
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

    // The first rows and columns of a given matrix, or the whole of a drawn one.
    private T[] Base(FrozenBases bases, bool isA, long rows, long columns)
    {
        if (bases.Source is { } source)
        {
            return Random(source, isA ? 1u : 0u, rows * columns);
        }

        T[] all = stored[isA ? 0 : 1];
        long width = all.Length / (isA ? bases.ShapeA : bases.ShapeB)[0];
        var part = new T[rows * columns];
        for (long i = 0; i < part.Length; i++)
        {
            part[i] = all[(i / columns * width) + (i % columns)];
        }

        return part;
    }

    // ΔW = diag(b)·B·diag(d)·A.
    private void FormVera(VeraUpdate vera)
    {
        (R, S) = (vera.Rank, vera.Rank);
        Alpha = of(vera.Bases.Source is null ? 1 : (float)(2 / Math.Sqrt((double)update.InFeatures * R)));
        frozen = Base(vera.Bases, isA: false, update.OutFeatures, R);
        Left = [.. frozen.Select((element, i) => Trained[0][i / R] * element)];
        D = Trained[1];
        Right = Base(vera.Bases, isA: true, R, update.InFeatures);
    }

    // ∂b[n] = α·Σ_r F[n,r]·B[n,r]·d[r] and ∂d[r] = α·Σ_n F[n,r]·B[n,r]·b[n] with F = dW·Aᵀ.
    private T[][] VeraGradients(T[] f)
    {
        T[] b = new T[update.OutFeatures], d = new T[R];
        for (long i = 0; i < f.Length; i++)
        {
            T term = Alpha * f[i] * frozen[i];
            b[i / R] += term * Trained[1][i % R];
            d[i % R] += term * Trained[0][i / R];
        }

        return [b, d];
    }

    // ΔW = B·A' or its transpose; term j of the product is base column j of B and, of A', the row (ρ, b) that the pairing gives it.
    private void FormRandLora(RandLoraUpdate rand)
    {
        long longer = Math.Max(update.OutFeatures, update.InFeatures), shorter = Math.Min(update.OutFeatures, update.InFeatures);
        long terms = rand.Rank * rand.BaseCount;
        (R, S) = (terms, terms);
        frozen = Base(rand.Bases, isA: true, rand.Rank, shorter);
        T[] b = Base(rand.Bases, isA: false, longer, terms), scaled = new T[terms * shorter];
        for (long i = 0; i < scaled.Length; i++)
        {
            (long row, long copy, long k) = Term(rand, i, shorter);
            scaled[i] = Trained[0][(row * rand.BaseCount) + copy] * frozen[(row * shorter) + k] * Trained[1][(copy * shorter) + k];
        }

        bool tall = update.OutFeatures >= update.InFeatures;
        Left = tall ? b : Dense.Transpose(scaled, terms, shorter);
        Right = tall ? scaled : Dense.Transpose(b, longer, terms);
    }

    private static (long Row, long Copy, long Column) Term(RandLoraUpdate rand, long index, long columns)
    {
        long j = index / columns;
        return rand.Pairing == RandLoraPairing.Paper
            ? (j % rand.Rank, j / rand.Rank, index % columns)
            : (j / rand.BaseCount, j % rand.BaseCount, index % columns);
    }

    // ∂λ[ρ,b] = α·Σ_k E[ρb,k]·A[ρ,k]·γ[b,k] and ∂γ[b,k] = α·Σ_ρ E[ρb,k]·A[ρ,k]·λ[ρ,b].
    private T[][] RandLoraGradients(RandLoraUpdate rand, T[] e)
    {
        long shorter = Math.Min(update.OutFeatures, update.InFeatures);
        T[] lambda = new T[Trained[0].Length], gamma = new T[Trained[1].Length];
        for (long i = 0; i < e.Length; i++)
        {
            (long row, long copy, long k) = Term(rand, i, shorter);
            long atLambda = (row * rand.BaseCount) + copy, atGamma = (copy * shorter) + k;
            T term = Alpha * e[i] * frozen[(row * shorter) + k];
            lambda[atLambda] += term * Trained[1][atGamma];
            gamma[atGamma] += term * Trained[0][atLambda];
        }

        return [lambda, gamma];
    }

    // ∂L = α·dW·(M·R)ᵀ = α·(dW·Rᵀ)·Mᵀ and ∂R = α·(L·M)ᵀ·dW = α·Mᵀ·(Lᵀ·dW).
    private T[][] SideGradients(T[] fromLeft, T[] fromRight)
    {
        T[] transposed = Dense.Transpose(Core!, R, S);
        return
        [
            Scale(Dense.Multiply(fromRight, transposed, update.OutFeatures, R, S)),
            Scale(Dense.Multiply(transposed, fromLeft, S, update.InFeatures, R)),
        ];
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
