using System.Runtime.InteropServices;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels;

/// <summary>
/// Page-locked host memory. Copies from and to it don't wait, and a graph can record them: write the next input here, launch again.
/// </summary>
public sealed unsafe class CudaHostBuffer : IDisposable
{
    private readonly CudaDevice device;
    private readonly HostMemoryHandle handle;

    private CudaHostBuffer(CudaDevice device, HostMemoryHandle handle, int bytes)
    {
        this.device = device;
        this.handle = handle;
        ByteCount = bytes;
    }

    /// <summary>Size in bytes.</summary>
    public int ByteCount { get; }

    /// <summary>The memory. Don't touch it while a copy that uses it is in flight, nor after disposal.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public Span<T> Span<T>() where T : unmanaged => MemoryMarshal.Cast<byte, T>(new Span<byte>((void*)handle.Value, ByteCount));

    /// <summary>Copies the first bytes to the whole of <paramref name="tensor"/>, ordered on the stream, without waiting.</summary>
    /// <exception cref="ArgumentException">The tensor is larger than the buffer, or not on this device.</exception>
    public void CopyTo(Tensor tensor, StreamHandle stream = default)
    {
        nuint bytes = Check(tensor);
        if (bytes > 0)
        {
            using PrimaryContext.Scope scope = device.Context.Enter();
            device.Context.Driver.cuMemcpyHtoDAsync_v2(tensor.Address, (void*)handle.Value, bytes, device.Resolve(stream)).Check(device.Context);
        }
    }

    /// <summary>Copies the whole of <paramref name="tensor"/> to the first bytes, ordered on the stream, without waiting.</summary>
    /// <exception cref="ArgumentException">The tensor is larger than the buffer, or not on this device.</exception>
    public void CopyFrom(Tensor tensor, StreamHandle stream = default)
    {
        nuint bytes = Check(tensor);
        if (bytes > 0)
        {
            using PrimaryContext.Scope scope = device.Context.Enter();
            device.Context.Driver.cuMemcpyDtoHAsync_v2((void*)handle.Value, tensor.Address, bytes, device.Resolve(stream)).Check(device.Context);
        }
    }

    /// <summary>Releases the memory; copies in flight must be done.</summary>
    public void Dispose() => handle.Dispose();

    internal static CudaHostBuffer Create(CudaDevice device, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Array.MaxLength);
        nint address;
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuMemAllocHost_v2(&address, (nuint)bytes).Check(device.Context);
        return new CudaHostBuffer(device, new HostMemoryHandle(device.Context, address), (int)bytes);
    }

    private nuint Check(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Device != device)
        {
            throw new ArgumentException($"The tensor is on {tensor.Device.Id}, the buffer belongs to {device.Id}.", nameof(tensor));
        }

        return tensor.ByteCount <= ByteCount
            ? (nuint)tensor.ByteCount
            : throw new ArgumentException($"The tensor has {tensor.ByteCount} bytes, the buffer {ByteCount}.", nameof(tensor));
    }
}
