using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>One launch of a Kronecker product: neighbouring modes, applied to the tensor seen as [outer, modes, inner].</summary>
/// <param name="Modes">The modes it applies.</param>
/// <param name="Outer">Product of the lengths before them, those of earlier modes among them as they are at that time.</param>
/// <param name="Inner">Product of the lengths after them.</param>
/// <param name="Slab">How a block holds it in shared memory; null when it is one mode that is too large for that.</param>
internal sealed record KroneckerPass(ImmutableArray<KroneckerMode> Modes, long Outer, long Inner, SlabPlan? Slab)
{
    /// <summary>Product of the modes' lengths before the pass.</summary>
    public long In => Modes.Aggregate(1L, (product, mode) => checked(product * mode.In));

    /// <summary>Product of the modes' lengths after it.</summary>
    public long Out => Modes.Aggregate(1L, (product, mode) => checked(product * mode.Out));
}
