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

    /// <summary>The factor divided by its <see cref="TeRA.Kernels.Distribution.Unit"/>: what kernels that round factors to 16 bits are given.</summary>
    public RandomSourceArguments InUnits => this with { Magnitude = 1 };
}
