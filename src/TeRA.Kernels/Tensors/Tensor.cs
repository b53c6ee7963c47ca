using System.Runtime.InteropServices;

namespace TeRA.Kernels;

/// <summary>
/// A contiguous, row-major array on a device: memory of its own, or a view of memory that others own.
/// Not synchronised: a tensor may be used from any thread, one at a time.
/// </summary>
public sealed class Tensor : IDisposable
{
    private readonly SafeHandle? memory;
    private readonly nint address;
    private readonly long[] shape;
    private readonly bool ownsMemory;
    private bool disposed;

    internal Tensor(Device device, SafeHandle? memory, nint address, DType dtype, ReadOnlySpan<long> shape, bool ownsMemory)
    {
        Device = device;
        DType = dtype;
        this.memory = memory;
        this.address = address;
        this.shape = shape.ToArray();
        this.ownsMemory = ownsMemory;
        ElementCount = CountElements(shape);
    }

    /// <summary>Where the memory is.</summary>
    public Device Device { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Lengths of the dimensions, outermost first.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>Product of the shape; 1 for a scalar (rank 0).</summary>
    public long ElementCount { get; }

    /// <summary>Elements times bytes of an element.</summary>
    public long ByteCount => ElementCount * DType.Size();

    /// <summary>The raw address: a device pointer on CUDA, a host pointer on the CPU.</summary>
    /// <exception cref="ObjectDisposedException">The tensor, or the one it is a view of, is disposed.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed || memory is { IsClosed: true }, this);
            return address;
        }
    }

    /// <summary>The elements in place. CPU tensors only.</summary>
    /// <exception cref="InvalidOperationException">The tensor is not on the CPU, has another element type, or more elements than a span holds.</exception>
    public unsafe Span<T> Span<T>() where T : unmanaged
    {
        if (Device.Kind != DeviceKind.Cpu)
        {
            throw new InvalidOperationException($"The tensor is on {Device.Id}; copy it to the host with CopyTo first.");
        }

        CheckElementType<T>();
        return new Span<T>((void*)Address, checked((int)ElementCount));
    }

    /// <summary>A view of <paramref name="shape"/> starting at element <paramref name="first"/>; it shares the memory and keeps it alive only while this tensor lives.</summary>
    /// <exception cref="ArgumentException">The view would reach outside this tensor.</exception>
    public Tensor Slice(long first, params ReadOnlySpan<long> shape)
    {
        long count = CountElements(shape);
        if (first < 0 || first > ElementCount - count)
        {
            throw new ArgumentException($"A view of {count} elements from element {first} reaches outside a tensor of {ElementCount}.", nameof(first));
        }

        return new Tensor(Device, memory, Address + (nint)(first * DType.Size()), DType, shape, ownsMemory: false);
    }

    /// <summary>Copies from the host; complete on return.</summary>
    /// <exception cref="ArgumentException">The number of elements differs.</exception>
    /// <exception cref="InvalidOperationException">The element type differs.</exception>
    public void CopyFrom<T>(ReadOnlySpan<T> values, StreamHandle stream = default) where T : unmanaged
    {
        CheckElementType<T>();
        CheckLength(values.Length, nameof(values));
        Device.CopyIn(Address, MemoryMarshal.AsBytes(values), stream);
    }

    /// <summary>Copies to the host; complete on return.</summary>
    /// <exception cref="ArgumentException">The number of elements differs.</exception>
    /// <exception cref="InvalidOperationException">The element type differs.</exception>
    public void CopyTo<T>(Span<T> values, StreamHandle stream = default) where T : unmanaged
    {
        CheckElementType<T>();
        CheckLength(values.Length, nameof(values));
        Device.CopyOut(Address, MemoryMarshal.AsBytes(values), stream);
    }

    /// <summary>Copies to a new host array.</summary>
    public T[] ToArray<T>(StreamHandle stream = default) where T : unmanaged
    {
        var values = new T[checked((int)ElementCount)];
        CopyTo<T>(values, stream);
        return values;
    }

    /// <summary>Sets every byte to zero, ordered on the stream.</summary>
    public void Clear(StreamHandle stream = default) => Device.Fill(Address, 0, ByteCount, stream);

    /// <summary>Releases the memory, unless this is a view. Work in flight that uses it must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        if (ownsMemory)
        {
            memory?.Dispose();
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{DType.Label()}[{string.Join(", ", shape)}] on {Device.Id}";

    internal static long CountElements(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long length in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(length, nameof(shape));
            count = checked(count * length);
        }

        return count;
    }

    private void CheckElementType<T>() where T : unmanaged
    {
        if (DTypes.Of<T>() != DType)
        {
            throw new InvalidOperationException($"The tensor holds {DType.Label()}, not {typeof(T).Name}.");
        }
    }

    private void CheckLength(long length, string argument)
    {
        if (length != ElementCount)
        {
            throw new ArgumentException($"Expected {ElementCount} elements for shape [{string.Join(", ", shape)}], found {length}.", argument);
        }
    }
}
