using System.Collections.Immutable;

namespace TeRA.Kernels.Steps;

/// <summary>
/// A Kronecker product of regenerated factors multiplied out: Output[(o₁…o_q), (i₁…i_q)] = alpha · Πₘ Mₘ[oₘ, iₘ]·Scalesₘ[iₘ], row-major, the last mode
/// fastest, where Mₘ is the factor in the direction of its mode (<see cref="KroneckerMode.Contract"/>). The product is taken in float32 (float64) and rounded once.
/// </summary>
/// <param name="Output">Out×In, overwritten.</param>
/// <param name="Modes">At least one.</param>
/// <param name="Factors">Where the factors come from.</param>
internal sealed record KroneckerMatrixStep(Operand Output, ImmutableArray<KroneckerMode> Modes, RandomSource Factors) : Step
{
    /// <summary>Factor of the product; a power of two costs no rounding.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>Vectors that scale the modes' inputs, one for each, float32 (float64) of the mode's In elements; empty for ones.</summary>
    public ImmutableArray<Operand> Scales { get; init; } = [];

    /// <summary>Columns: the product of the modes' input lengths.</summary>
    public long In => Modes.Aggregate(1L, (product, mode) => checked(product * mode.In));

    /// <summary>Rows: the product of the modes' output lengths.</summary>
    public long Out => Modes.Aggregate(1L, (product, mode) => checked(product * mode.Out));

    /// <inheritdoc/>
    public override double Operations => (double)In * Out * Modes.Length;

    /// <inheritdoc/>
    public override double Bytes => (double)In * Out * Output.DType.Size();
}
