using TeRA.Kernels.Cuda;

namespace TeRA.Kernels;

/// <summary>A point in a stream: to wait for, or to measure time between.</summary>
public sealed unsafe class CudaEvent : IDisposable
{
    private readonly CudaDevice device;
    private readonly EventHandle handle;

    private CudaEvent(CudaDevice device, EventHandle handle)
    {
        this.device = device;
        this.handle = handle;
    }

    internal nint Value => handle.Value;

    /// <summary>Sets the point after everything submitted to <paramref name="stream"/> so far.</summary>
    public void Record(StreamHandle stream = default)
    {
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuEventRecord(handle.Value, device.Resolve(stream)).Check(device.Context);
    }

    /// <summary>Blocks until the point is reached.</summary>
    public void Synchronize()
    {
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuEventSynchronize(handle.Value).Check(device.Context);
    }

    /// <summary>Seconds from <paramref name="start"/> to this event; both must have been reached.</summary>
    /// <exception cref="CudaException">One of them has not been recorded, or not been reached.</exception>
    public double SecondsSince(CudaEvent start)
    {
        ArgumentNullException.ThrowIfNull(start);
        float milliseconds;
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuEventElapsedTime(&milliseconds, start.Value, handle.Value).Check(device.Context);
        return milliseconds * 1e-3;
    }

    /// <summary>Destroys the event.</summary>
    public void Dispose() => handle.Dispose();

    internal static CudaEvent Create(CudaDevice device)
    {
        nint created;
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuEventCreate(&created, 0).Check(device.Context);
        return new CudaEvent(device, new EventHandle(device.Context, created));
    }
}
