using System.Collections.Immutable;
using System.Globalization;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Planning.KroneckerSide;

namespace TeRA.Kernels.Planning;

/// <summary>
/// The term of a Kronecker update as the blocks of the frozen layer's product. Of X·V·diag(e)·Gᵀ·diag(d)·Uᵀ, the first mode of U goes to the core:
/// M = (A₁⊗1)·(d∘G∘e), small and independent of the tokens. Then Z = P·Mᵀ is a plain product, and (A₂⊗A₃…)ᵀ is so short a sum that it rides along.
/// dX is the same with the sides exchanged. F and M are rounded in units of their distributions (<see cref="Distribution.Unit"/>).
/// </summary>
internal static class KroneckerBlocks
{
    /// <summary>The product with the term in it, and in the pass the steps before it; null, and nothing added, where the device has no such kernel.</summary>
    /// <param name="pass">Where steps go.</param>
    /// <param name="operands">The update's.</param>
    /// <param name="product">Y's, or dX's.</param>
    /// <param name="overColumns">dX's.</param>
    public static MatrixProductStep? Join(PassBuilder pass, KroneckerOperands operands, MatrixProductStep product, bool overColumns)
    {
        (KroneckerSide side, KroneckerSide contracted) = overColumns ? (operands.Columns, operands.Rows) : (operands.Rows, operands.Columns);
        if (side.Expand.Length < 2)
        {
            return null;
        }

        // Judged before there are buffers.
        ImmutableArray<KroneckerMode> rest = side.Expand[1..];
        long width = rest.Aggregate(1L, (length, mode) => length * mode.Out), depth = rest.Aggregate(1L, (length, mode) => length * mode.In);
        var probe = new Operand(Step.WorkspaceSlot, pass.Problem.DType);
        MatrixProductStep joined = product with
        {
            Label = $"{product.Label} + Z·{side.Factors(1, inProduct: true)}ᵀ in blocks of {width}", Blocks = new BlockProduct(probe, probe, depth, width) { LayoutB = Layout.Transposed },
        };
        if (WgmmaProductRules.Rejection(joined, pass.Traits) is not null)
        {
            return null;
        }

        // The contraction first: its kernel makes its factors beside what the pass before leaves of its last wave, and the operands beside the end of the contraction.
        Operand contraction = overColumns ? operands.Q(pass) : operands.P(pass);
        (Operand d, Operand e, OuterVectorsStep? diagonals) = operands.PlanDiagonals(pass);
        KroneckerMatrixStep modes = Modes(pass, side, rest, out double lacking);
        CoreExpansionStep core = Core(pass, operands, (d, e), side, lacking * Math.ScaleB(operands.Alpha, contracted.FeatureShift), out double left);
        pass.Add(new BlockOperandsStep(diagonals, modes, core) { Label = string.Join(", ", new Step?[] { diagonals, modes, core }.OfType<Step>().Select(step => step.Label)) });
        (long tokens, string name) = (pass.Problem.Tokens, overColumns ? "Q" : "P");
        Operand z = pass.Scratch("Z", pass.Problem.DType, tokens * core.Rows);
        pass.Add(new MatrixProductStep(contraction, core.Output, z, tokens, core.Rows, core.Columns)
        {
            Label = $"Z = {(left == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"{left:G4}·"))}{name}·Mᵀ", LayoutB = Layout.Transposed, Alpha = left,
        });
        return joined with { Blocks = joined.Blocks! with { A = z, B = modes.Output } };
    }

    /// <summary>F = the modes after the first, in units, with a power of two that keeps it about as large as the factors over the root of its sums' length.</summary>
    /// <param name="pass">Where the buffer goes.</param>
    /// <param name="side">Whose modes.</param>
    /// <param name="rest">They.</param>
    /// <param name="lacking">What F is to be multiplied by.</param>
    private static KroneckerMatrixStep Modes(PassBuilder pass, KroneckerSide side, ImmutableArray<KroneckerMode> rest, out double lacking)
    {
        var step = new KroneckerMatrixStep(default, rest, side.Source) { Label = "" };
        double units = Math.Pow(side.Source.Distribution.Unit, rest.Length);
        int power = (int)Math.Round(Math.Log2(units)) - HalfLog(step.In);
        lacking = Math.ScaleB(units, -power);
        return step with
        {
            Output = pass.Scratch("F", pass.Problem.DType, step.Out * step.In), Label = $"F = {Power(power)}·{side.Factors(1)}{InUnits(units)}", Alpha = Math.ScaleB(1 / units, power),
        };
    }

    /// <summary>
    /// M, the core with the first mode, in units. The power of two nearest to the <paramref name="factor"/> of the whole term is in it, which makes Z about as
    /// large as the term; what is left of the factor goes to Z, since in M it would be rounded alike in all elements that are alike.
    /// </summary>
    private static CoreExpansionStep Core(
        PassBuilder pass, KroneckerOperands operands, (Operand D, Operand E) scales, KroneckerSide side, double factor, out double left)
    {
        bool overColumns = side == operands.Columns;
        double units = side.Source.Distribution.Unit * operands.Core.Source.Distribution.Unit, whole = factor * units;
        int power = whole == 0 ? 0 : (int)Math.Round(Math.Log2(Math.Abs(whole)));
        left = Math.ScaleB(whole, -power);
        var step = new CoreExpansionStep(default, side.Expand[0], scales.D, scales.E, side.Source, operands.Core)
        {
            Label = $"M = {Power(power)}·({side.Factor}₁⊗1)·{(overColumns ? "(d∘G∘e)ᵀ" : "(d∘G∘e)")}{InUnits(units)}", OverColumns = overColumns, Alpha = Math.ScaleB(1 / units, power),
        };
        return step with { Output = pass.Scratch("M", pass.Problem.DType, step.Rows * step.Columns) };
    }

    private static string InUnits(double units) => units == 1 ? "" : " in units";
}
