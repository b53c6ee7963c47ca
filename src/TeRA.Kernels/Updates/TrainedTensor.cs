using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One trained tensor of an update: its name in adapter files, its shape and how it starts.</summary>
/// <param name="Name">The name after the module's, for example <c>tera_row.0</c>.</param>
/// <param name="Shape">Lengths, outermost first.</param>
/// <param name="Start">How it starts.</param>
public sealed record TrainedTensor(string Name, ImmutableArray<long> Shape, TrainedStart Start)
{
    /// <summary>Product of the shape.</summary>
    public long Count => Shape.Aggregate(1L, (product, length) => checked(product * length));
}

/// <summary>Start of training of one tensor: a constant, or uniform numbers of a stream.</summary>
/// <param name="Constant">The value of every element when <paramref name="UniformBound"/> is 0.</param>
/// <param name="UniformBound">b > 0: uniform on (−b, b), from the update's seed.</param>
/// <param name="Stream">The random stream when uniform.</param>
public readonly record struct TrainedStart(double Constant, double UniformBound = 0, uint Stream = 0);
