using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>What one slab launch has to do: apply all modes to a tensor [Outer, modes, Inner].</summary>
/// <param name="Modes">At most <see cref="SlabPlan.MaxModes"/>.</param>
/// <param name="Outer">Product of the lengths before the modes.</param>
/// <param name="Inner">Product of the lengths after them.</param>
/// <param name="Input">Element type of the input; null when it is generated.</param>
/// <param name="Output">Element type of the output.</param>
internal sealed record SlabProblem(ImmutableArray<KroneckerMode> Modes, long Outer, long Inner, DType? Input, DType Output);
