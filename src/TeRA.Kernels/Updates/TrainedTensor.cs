using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One trained tensor of an update: its name in adapter files, its shape and how it starts.</summary>
/// <param name="Name">The name after the module's, for example <c>tera_row.0</c>.</param>
/// <param name="Shape">Lengths, outermost first.</param>
/// <param name="Start">How it starts.</param>
public sealed record TrainedTensor(string Name, ImmutableArray<long> Shape, TrainedStart Start)
{
    /// <summary>The tensor belongs to a group of layers, which are given the same parameter; a layer that is given none makes its own.</summary>
    public bool IsShared { get; init; }

    /// <summary>Product of the shape.</summary>
    public long Count => Shape.Aggregate(1L, (product, length) => checked(product * length));
}

/// <summary>Start of training of one tensor: a constant, or random numbers of a stream.</summary>
/// <param name="Constant">The value of every element when nothing random is asked for.</param>
/// <param name="UniformBound">b > 0: uniform on (−b, b), from the update's seed.</param>
/// <param name="Stream">The random stream.</param>
public readonly record struct TrainedStart(double Constant, double UniformBound = 0, uint Stream = 0)
{
    /// <summary>σ > 0: normal with this standard deviation, from the update's seed.</summary>
    public double NormalDeviation { get; init; }
}
