using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>A regenerated core with its shape: the layout of <c>tera::gemm::Core</c> in kernels/gemm/core_values.cuh.</summary>
/// <param name="core">The core.</param>
/// <param name="inUnits">Divided by its <see cref="Distribution.Unit"/>.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CoreArguments(CoreSource core, bool inUnits = false)
{
    /// <summary>Seed, stream and distribution.</summary>
    public readonly RandomSourceArguments Source = inUnits ? new RandomSourceArguments(core).InUnits : new RandomSourceArguments(core);

    /// <summary>R.</summary>
    public readonly long Rows = core.R;

    /// <summary>S.</summary>
    public readonly long Columns = core.S;
}
