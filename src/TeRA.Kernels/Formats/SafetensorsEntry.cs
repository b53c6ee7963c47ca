using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One tensor of a safetensors file, as its header lists it.</summary>
public sealed class SafetensorsEntry
{
    internal SafetensorsEntry(string name, SafetensorsDType dtype, ImmutableArray<long> shape, long offset, long byteCount)
    {
        Name = name;
        DType = dtype;
        Shape = shape;
        Offset = offset;
        ByteCount = byteCount;
    }

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public SafetensorsDType DType { get; }

    /// <summary>Lengths of the dimensions, outermost first; empty for a scalar.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Bytes of the data; 0 is legal.</summary>
    public long ByteCount { get; }

    /// <summary>Product of the shape.</summary>
    public long ElementCount => Tensor.CountElements(Shape.AsSpan());

    /// <summary>First byte, counted from the end of the header.</summary>
    internal long Offset { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {DType.Label()}[{string.Join(", ", Shape)}]";
}
