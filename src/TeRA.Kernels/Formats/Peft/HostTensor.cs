using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Numbers of a file on the host, in float32.</summary>
/// <param name="Shape">Lengths, outermost first.</param>
/// <param name="Values">Row-major.</param>
internal sealed record HostTensor(ImmutableArray<long> Shape, float[] Values)
{
    /// <summary>A tensor of zeros.</summary>
    /// <exception cref="OverflowException">It has more elements than an array holds.</exception>
    public static HostTensor Zeros(params ImmutableArray<long> shape) => new(shape, new float[checked((int)Tensor.CountElements(shape.AsSpan()))]);
}
