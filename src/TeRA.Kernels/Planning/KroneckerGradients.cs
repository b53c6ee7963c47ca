using System.Collections.Immutable;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Planning.KroneckerSide;

namespace TeRA.Kernels.Planning;

/// <summary>
/// The gradients of a Kronecker update's vectors: the core against H = Uᵀ·dW·V, summed over rows and over columns, then the marginals of both sums.
/// H comes from the tokens' contractions, Qᵀ·P, and is never stored; or from dW = dYᵀ·X, which is shorter where the ranks are near the features
/// and the tokens are more than these. Float16 never goes through dW: its numbers are products of a token's and a gradient's, whose exponents add up to
/// what float16 lacks (numbers of a thousandth on both sides would leave four bits), while P and Q keep the magnitude of X and dY.
/// </summary>
internal static class KroneckerGradients
{
    /// <summary>Adds to every vector's gradient.</summary>
    public static void Add(PassBuilder pass, KroneckerOperands operands)
    {
        Operand d = operands.D(pass), e = operands.E(pass);
        Operand rows = pass.Scratch("g_d", pass.Problem.ParameterDType, operands.Rows.Rank);
        Operand columns = pass.Scratch("g_e", pass.Problem.ParameterDType, operands.Columns.Rank);
        bool FromWeight(PassBuilder trial, bool prepared) =>
            trial.Problem.DType != DType.Float16 && AddFromWeight(trial, operands, d, e, rows, columns, prepared);

        pass.GoShortest(
            trial =>
            {
                AddFromContractions(trial, operands, d, e, rows, columns);
                return true;
            },
            trial => FromWeight(trial, prepared: false),
            trial => FromWeight(trial, prepared: true));
        operands.AddMarginals(pass, rows, columns);
    }

    private static void AddFromContractions(PassBuilder pass, KroneckerOperands operands, Operand d, Operand e, Operand rows, Operand columns)
    {
        Operand q = operands.Q(pass), p = operands.P(pass);
        int restored = operands.Rows.FeatureShift + operands.Columns.FeatureShift;
        pass.Add(new CoreProjectionStep(q, p, d, e, rows, columns, pass.Problem.Tokens, operands.Core)
        {
            Label = $"g_d, g_e = α·{Power(restored)}·(Qᵀ·P∘G) against e, d", Alpha = Math.ScaleB(operands.Alpha, restored),
        });
    }

    /// <returns>Whether the device has this way: factors are prepared for transposed products alone.</returns>
    private static bool AddFromWeight(PassBuilder pass, KroneckerOperands operands, Operand d, Operand e, Operand rows, Operand columns, bool prepared)
    {
        int shift = HalfLog(pass.Problem.Tokens), restored = shift + operands.Rows.FeatureShift + operands.Columns.FeatureShift;
        var marginals = new CoreMarginalsStep(new Operand(Step.WorkspaceSlot, pass.Problem.DType), d, e, rows, columns, operands.Core)
        {
            Label = $"g_d, g_e = α·{Power(restored)}·(H∘G) against e, d", Alpha = Math.ScaleB(operands.Alpha, restored),
        };
        if (AddTransposed(pass, operands, shift, prepared) is not { } transposed)
        {
            if (prepared)
            {
                return false;
            }

            pass.Add(marginals with { H = AddStraight(pass, operands, shift) });
        }
        else if (Fused(pass, operands, marginals, transposed) is { } fused)
        {
            pass.Add(fused with { Generated = operands.StoredCore(pass) });
        }
        else
        {
            Operand h = H(pass, operands);
            pass.Add(transposed with { Output = h });
            pass.Add(marginals with { H = h });
        }

        return true;
    }

    /// <summary>The marginals with H's product in them, where the device has a kernel that does both; null elsewhere.</summary>
    private static CoreMarginalsStep? Fused(PassBuilder pass, KroneckerOperands operands, CoreMarginalsStep marginals, KroneckerStep product)
    {
        CoreMarginalsStep fused = marginals with
        {
            Label = $"{marginals.Label}, {product.Label}", Contraction = product, Generated = new Operand(Step.WorkspaceSlot, pass.Problem.DType),
        };
        return WgmmaModesShape.Choose(fused, pass.Traits, out _) is null ? null : fused;
    }

    private static Operand H(PassBuilder pass, KroneckerOperands operands) =>
        pass.Scratch("H", pass.Problem.DType, operands.Rows.Rank * operands.Columns.Rank);

    /// <summary>Where the device multiplies rows into transposed rows: rows of dWᵀ become dT = Uᵀ·dW, and its rows H.</summary>
    /// <returns>The product that makes H, yet without an output; null where the device doesn't, and nothing was added.</returns>
    private static KroneckerStep? AddTransposed(PassBuilder pass, KroneckerOperands operands, int shift, bool prepared)
    {
        (long b, long n, long k, DType dtype) = (pass.Problem.Tokens, pass.Problem.OutFeatures, pass.Problem.InFeatures, pass.Problem.DType);
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        var probe = new Operand(Step.WorkspaceSlot, dtype);
        KroneckerStep first = Contraction(probe, probe, k, 1, rows, "dT", "Uᵀ·dW") with { TransposedOutput = true };
        if (WgmmaModesShape.Choose(first, pass.Traits, out _) is null)
        {
            return null;
        }

        KroneckerStep second = Contraction(probe, probe, rows.Rank, 1, columns, "H", "dT·V");
        if (prepared)
        {
            ImmutableArray<KroneckerStep> both = operands.Prepare(pass, (rows, first), (columns, second));
            (first, second) = (both[0], both[1]);
        }

        Operand gradient = pass.Scratch("dW", dtype, k * n), t = pass.Scratch("dT", dtype, rows.Rank * k);
        pass.Add(operands.WithStoredCore(pass, new MatrixProductStep(pass.Input, pass.OutputGradient, gradient, k, n, b)
        {
            Label = $"dWᵀ = {Power(-shift)}·Xᵀ·dY", LayoutA = Layout.Transposed, Alpha = Math.ScaleB(1, -shift),
        }));
        pass.Add(first with { Input = gradient, Output = t });
        return second with { Input = t };
    }

    /// <summary>Elsewhere: rows of dW become dW·V, and its columns H, which is returned.</summary>
    private static Operand AddStraight(PassBuilder pass, KroneckerOperands operands, int shift)
    {
        (long b, long n, long k, DType dtype) = (pass.Problem.Tokens, pass.Problem.OutFeatures, pass.Problem.InFeatures, pass.Problem.DType);
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        Operand gradient = pass.Scratch("dW", dtype, n * k), t = pass.Scratch("dT", dtype, n * columns.Rank), h = H(pass, operands);
        pass.Add(new MatrixProductStep(pass.OutputGradient, pass.Input, gradient, n, k, b)
        {
            Label = $"dW = {Power(-shift)}·dYᵀ·X", LayoutA = Layout.Transposed, Alpha = Math.ScaleB(1, -shift),
        });
        pass.Add(Contraction(gradient, t, n, 1, columns, "dT", "dW·V"));
        pass.Add(Contraction(t, h, 1, columns.Rank, rows, "H", "Uᵀ·dT"));
        return h;
    }

    private static KroneckerStep Contraction(Operand input, Operand output, long outer, long inner, KroneckerSide side, string name, string product) =>
        new(input, output, outer, inner, side.Contract, side.Source)
        {
            Label = $"{name} = {Power(-side.FeatureShift)}·{product}", Alpha = Math.ScaleB(1, -side.FeatureShift),
        };
}
