using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>A frozen tensor that a layer is given beside its weight: its name in adapter files, its shape and element type.</summary>
/// <param name="Name">The name in adapter files, for example <c>vera_A</c>.</param>
/// <param name="Shape">Lengths, outermost first; a matrix of Shape[0] rows.</param>
/// <param name="DType">Element type.</param>
public sealed record StoredTensor(string Name, ImmutableArray<long> Shape, DType DType)
{
    /// <summary>Elements from one row to the next: the product of the lengths after the first.</summary>
    public long Stride => Shape.Skip(1).Aggregate(1L, (product, length) => checked(product * length));

    /// <summary>Product of the shape.</summary>
    public long Count => checked(Shape[0] * Stride);
}
