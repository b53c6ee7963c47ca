using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>One factor as kernels take it: the layout of <c>tera::RandomSource</c> in kernels/random/distributions.cuh.</summary>
/// <param name="source">Seed and distribution.</param>
/// <param name="stream">The factor's stream.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct RandomSourceArguments(RandomSource source, uint stream)
{
    /// <summary>The factor that a step regenerates.</summary>
    public RandomSourceArguments(CoreSource core)
        : this(core.Source, core.Stream)
    {
    }

    /// <summary>The generator's key.</summary>
    public readonly ulong Seed = source.Seed;

    /// <summary>The factor's stream.</summary>
    public readonly uint Stream = stream;

    /// <summary>The number of the <see cref="DistributionKind"/>; kernels specialised by <c>-DTERA_DISTRIBUTION</c> do not read it.</summary>
    public readonly uint Distribution = (uint)source.Distribution.Kind;

    /// <summary>T of a ternary distribution, otherwise 0.</summary>
    public readonly uint TernaryThreshold = source.Distribution.TernaryThreshold;

    /// <summary>c of a ternary distribution; the other distributions' magnitudes are constants of the format.</summary>
    public float Magnitude { get; init; } = source.Distribution.Magnitude;

    /// <summary>
    /// The factor divided by <see cref="UnitOf"/>: what kernels that round factors to 16 bits are given. The rounding of c is the same in every
    /// element of a ternary factor, so it does not average out in a sum as the other roundings do: it would be an error of the whole result.
    /// −1, 0 and 1 are exact, and c goes into the product's alpha.
    /// </summary>
    public RandomSourceArguments InUnits => this with { Magnitude = 1 };

    /// <summary>c of a ternary distribution, whose elements are −c, 0 and c; 1 for the others.</summary>
    public static double UnitOf(RandomSource source) => source.Distribution.Kind == DistributionKind.Ternary ? source.Distribution.Magnitude : 1;
}
