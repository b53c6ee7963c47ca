using System.Collections.Immutable;

namespace TeRA.Kernels.Steps;

/// <summary>One factor of a Kronecker product and the direction it is used in.</summary>
/// <param name="Stream">The factor's random stream.</param>
/// <param name="FactorRows">Rows of the factor as it is numbered (J or I: the feature side).</param>
/// <param name="FactorColumns">Columns of the factor as it is numbered (R or S: the rank side).</param>
/// <param name="Contract">
/// true: features → ranks, out[c] = Σ_row in[row]·F[row, c]; false: ranks → features, out[row] = Σ_c F[row, c]·in[c].
/// </param>
internal readonly record struct KroneckerMode(uint Stream, long FactorRows, long FactorColumns, bool Contract)
{
    /// <summary>Length of the mode before the product.</summary>
    public long In => Contract ? FactorRows : FactorColumns;

    /// <summary>Length of the mode after it.</summary>
    public long Out => Contract ? FactorColumns : FactorRows;

    /// <summary>How far apart two neighbours of the input's index are in the factor as it is numbered.</summary>
    public long InStep => Contract ? FactorColumns : 1;

    /// <summary>The same for the output's index.</summary>
    public long OutStep => Contract ? 1 : FactorColumns;
}

/// <summary>The factors of a product in memory: see <see cref="KroneckerStep.FactorMatrices"/>.</summary>
/// <param name="First">The first mode's.</param>
/// <param name="Rest">The other modes', multiplied out.</param>
internal readonly record struct PreparedFactors(Operand First, Operand Rest);

/// <summary>
/// Output[o, out, i] = (AddTo[o, out, i]) + alpha · Σ_in (⊗ₘ Mₘ)[out, in] · InputScale[in] · Input[o, in, i]
/// where the multi-indices in = (in₁…in_q) and out = (out₁…out_q) run row-major, the last mode fastest; the modes' factors are
/// regenerated from the seed. With inner = 1 it multiplies rows (P = X·V, Y += Z·Uᵀ), with outer = 1 columns (U·T).
/// Intermediate results between modes are kept in float32 (float64 for float64), or rounded once to the input's 16-bit dtype
/// where a kernel feeds tensor cores.
/// </summary>
/// <param name="Input">The input tensor; null when <see cref="Core"/> generates it.</param>
/// <param name="Output">The output tensor, overwritten.</param>
/// <param name="Outer">Number of outer indices.</param>
/// <param name="Inner">Number of inner indices.</param>
/// <param name="Modes">At least one.</param>
/// <param name="Factors">Where the factors come from.</param>
internal sealed record KroneckerStep(
    Operand? Input, Operand Output, long Outer, long Inner, ImmutableArray<KroneckerMode> Modes, RandomSource Factors) : Step
{
    /// <summary>The generated input: element (o, in, i) is number (o·In + in)·Inner + i of its stream.</summary>
    public CoreSource? Core { get; init; }

    /// <summary>float32 (float64) vector of In elements that scales the input; null for ones.</summary>
    public Operand? InputScale { get; init; }

    /// <summary>
    /// The vectors whose outer product <see cref="InputScale"/> is, one for each mode, float32 of the mode's In elements; empty when not known.
    /// A kernel that holds the factors may scale them instead of the input.
    /// </summary>
    public ImmutableArray<Operand> ModeScales { get; init; } = [];

    /// <summary>
    /// The output, and what is added, is Output[out, o] instead of Output[o, out]; only with inner = 1. CUDA devices take it where
    /// their kernels write it as fast as the other (see <c>WgmmaModesShape</c>), and refuse it elsewhere.
    /// </summary>
    public bool TransposedOutput { get; init; }

    /// <summary>Added to the result, same shape and dtype as the output; may be the output itself.</summary>
    public Operand? AddTo { get; init; }

    /// <summary>Factor of the product.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>
    /// The factors in memory, as <see cref="FactorMatrices"/> makes them; null when a kernel makes its own. They are the numbers that a kernel would round the
    /// factors to, so the result is the same to the last bit; a device may ignore them.
    /// </summary>
    public PreparedFactors? Prepared { get; init; }

    /// <summary>
    /// What a kernel that multiplies by the modes after the first as one matrix, rounded once, has in it besides the factors in units: a power of two that keeps
    /// results between the modes near the size of the input. A sum over n numbers grows by √n, and by the factors' size.
    /// </summary>
    public double RestScale =>
        Math.ScaleB(1, (int)Math.Round(((Modes.Length - 1) * Math.Log2(Factors.Distribution.Unit)) - (Math.Log2(Modes[0].In == 0 ? 1 : In / Modes[0].In) / 2)));

    /// <summary>Product of the modes' input lengths.</summary>
    public long In => Modes.Aggregate(1L, (product, mode) => checked(product * mode.In));

    /// <summary>Product of the modes' output lengths.</summary>
    public long Out => Modes.Aggregate(1L, (product, mode) => checked(product * mode.Out));

    /// <summary>
    /// The steps that make <see cref="Prepared"/>: the first mode's factor, and the other modes' multiplied out and times <see cref="RestScale"/>, both in the
    /// distribution's units and with their <see cref="ModeScales"/>.
    /// </summary>
    /// <param name="prepared">Where to, in the product's dtype. At least two modes.</param>
    public ImmutableArray<KroneckerMatrixStep> FactorMatrices(PreparedFactors prepared)
    {
        double unit = Factors.Distribution.Unit;
        return
        [
            new(prepared.First, Modes[..1], Factors) { Label = "first mode", Scales = ModeScales.IsEmpty ? [] : ModeScales[..1], Alpha = 1 / unit },
            new(prepared.Rest, Modes[1..], Factors)
            {
                Label = "other modes", Scales = ModeScales.IsEmpty ? [] : ModeScales[1..], Alpha = RestScale / Math.Pow(unit, Modes.Length - 1),
            },
        ];
    }

    /// <inheritdoc/>
    public override double Operations
    {
        get
        {
            double total = 0, length = In;
            foreach (KroneckerMode mode in Modes)
            {
                total += 2 * length * mode.Out;
                length = mode.In == 0 ? 0 : length / mode.In * mode.Out;
            }

            return total * Outer * Inner;
        }
    }

    /// <inheritdoc/>
    public override double Bytes =>
        (double)Outer * Inner * ((Input is { } input ? (double)In * input.DType.Size() : 0)
            + (double)Out * Output.DType.Size() * (AddTo is null ? 1 : 2));
}
