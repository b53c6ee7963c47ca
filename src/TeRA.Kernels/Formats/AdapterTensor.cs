using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>A tensor of an adapter's file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Module">The module it belongs to; null for tensors that all share.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Lengths, outermost first.</param>
/// <param name="IsTrained">False for frozen bases.</param>
public sealed record AdapterTensor(string Name, string? Module, SafetensorsDType DType, ImmutableArray<long> Shape, bool IsTrained)
{
    /// <summary>Product of the shape.</summary>
    public long Count => Tensor.CountElements(Shape.AsSpan());
}
