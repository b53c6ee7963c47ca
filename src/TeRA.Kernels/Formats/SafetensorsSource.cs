using System.Collections.Immutable;
using System.Runtime.InteropServices;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>A tensor to be written to a safetensors file. Its data is asked for when its turn comes, so that memory stays bounded.</summary>
public sealed class SafetensorsSource
{
    private readonly Action<Stream> write;

    private SafetensorsSource(string name, SafetensorsDType dtype, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
        DType = dtype;
        Shape = ImmutableArray.Create(shape);
        this.write = write;
        ByteCount = CountBytes(name, dtype, shape);
    }

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public SafetensorsDType DType { get; }

    /// <summary>Lengths of the dimensions, outermost first.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Bytes of the data.</summary>
    public long ByteCount { get; }

    /// <summary>A tensor whose bytes a callback writes, little-endian and row-major.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="write">Writes exactly the bytes that dtype and shape need.</param>
    /// <param name="shape">Lengths of the dimensions.</param>
    /// <exception cref="ArgumentException">A length is negative, the size overflows, elements below a byte don't fill whole bytes, or there are more than 64 dimensions.</exception>
    public static SafetensorsSource From(string name, SafetensorsDType dtype, Action<Stream> write, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(write);
        return new SafetensorsSource(name, dtype, shape, write);
    }

    /// <summary>An array of numbers: float, double, <see cref="Half"/> or <see cref="BFloat16"/>. They must not change until the file is written.</summary>
    /// <exception cref="ArgumentException">The number of values is not the shape's product.</exception>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is none of these.</exception>
    public static SafetensorsSource From<T>(string name, T[] values, params ReadOnlySpan<long> shape) where T : unmanaged =>
        From(name, new ReadOnlyMemory<T>(values), shape);

    /// <summary>Host numbers: float, double, <see cref="Half"/> or <see cref="BFloat16"/>. They must not change until the file is written.</summary>
    /// <exception cref="ArgumentException">The number of values is not the shape's product.</exception>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is none of these.</exception>
    public static SafetensorsSource From<T>(string name, ReadOnlyMemory<T> values, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        SafetensorsDType dtype = DTypes.Of<T>().ToSafetensors();
        var source = new SafetensorsSource(name, dtype, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.Span)));
        return source.ByteCount == (long)values.Length * (dtype.Bits() / 8)
            ? source
            : throw new ArgumentException($"Expected {source.ByteCount / (dtype.Bits() / 8)} values for {Quote.Text(name)} of shape {Quote.Shape(shape)}, found {values.Length}.", nameof(values));
    }

    /// <summary>A tensor on any device, read a chunk at a time. Work that writes it must be done.</summary>
    public static SafetensorsSource From(string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return new SafetensorsSource(name, tensor.DType.ToSafetensors(), tensor.Shape, stream => CopyOut(tensor, stream));
    }

    /// <summary>A tensor of another file, of whatever dtype, under its own or another name. The file must stay open.</summary>
    /// <exception cref="FileFormatException">The file has no tensor of that name.</exception>
    public static SafetensorsSource From(SafetensorsFile file, string name, string? newName = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        SafetensorsEntry entry = file.Entry(name);
        return new SafetensorsSource(newName ?? name, entry.DType, entry.Shape.AsSpan(), stream => file.CopyTo(name, stream));
    }

    /// <summary>Writes the data and checks that it is what the header promised.</summary>
    internal void WriteTo(Stream stream)
    {
        var bounded = new BoundedStream(stream, Name, ByteCount);
        write(bounded);
        bounded.CheckComplete();
    }

    private static void CopyOut(Tensor tensor, Stream stream)
    {
        nint address = tensor.Address;
        byte[] chunk = new byte[Math.Min(FormatLimits.ChunkBytes, tensor.ByteCount)];
        for (long offset = 0; offset < tensor.ByteCount; offset += chunk.Length)
        {
            Span<byte> part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, tensor.ByteCount - offset));
            tensor.Device.CopyOut(address + (nint)offset, part, default);
            stream.Write(part);
        }
    }

    private static long CountBytes(string name, SafetensorsDType dtype, ReadOnlySpan<long> shape)
    {
        foreach (long length in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(length, nameof(shape));
        }

        if (shape.Length > FormatLimits.Rank)
        {
            throw new ArgumentException($"Tensor {Quote.Text(name)} has {shape.Length} dimensions; files hold at most {FormatLimits.Rank}.", nameof(shape));
        }

        (string Rule, string Message)? broken = SafetensorsSize.TryBytes(dtype, shape, out long bytes);
        return broken is null ? bytes : throw new ArgumentException($"Tensor {Quote.Text(name)}: {broken.Value.Message}", nameof(shape));
    }
}
