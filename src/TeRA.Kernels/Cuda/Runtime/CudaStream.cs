using TeRA.Kernels.Cuda;

namespace TeRA.Kernels;

/// <summary>A stream of a CUDA device: our own, or another library's. Goes wherever a <see cref="StreamHandle"/> is asked for.</summary>
public sealed unsafe class CudaStream : IDisposable
{
    // A capture ends when this thread does something that can't be captured; other threads (and the finaliser) go on freely.
    private const int ThreadLocalCapture = 1;

    private readonly CudaDevice device;
    private readonly StreamObjectHandle? owned;
    private readonly nint external;

    internal CudaStream(CudaDevice device, StreamObjectHandle owned)
    {
        this.device = device;
        this.owned = owned;
    }

    private CudaStream(CudaDevice device, nint external)
    {
        this.device = device;
        this.external = external;
    }

    /// <summary>The device.</summary>
    public CudaDevice Device => device;

    /// <summary>The raw <c>CUstream</c>.</summary>
    /// <exception cref="ObjectDisposedException">The stream is disposed.</exception>
    public StreamHandle Handle => new(owned?.Value ?? device.Resolve(new StreamHandle(external)));

    /// <summary>Whether work is being recorded into a graph instead of run.</summary>
    public bool IsCapturing
    {
        get
        {
            int status;
            using PrimaryContext.Scope scope = device.Context.Enter();
            device.Context.Driver.cuStreamIsCapturing(Handle.Value, &status).Check(device.Context);
            return status != 0;
        }
    }

    /// <summary>The stream as a value.</summary>
    public static implicit operator StreamHandle(CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream.Handle;
    }

    /// <summary>A stream that somebody else owns and keeps alive, of the device's primary context; it is never destroyed here.</summary>
    public static CudaStream FromHandle(CudaDevice device, StreamHandle handle)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new CudaStream(device, handle.Value);
    }

    /// <summary>Blocks until everything submitted is done.</summary>
    public void Synchronize() => device.Synchronize(Handle);

    /// <summary>Work submitted from now on waits for <paramref name="waited"/>.</summary>
    public void WaitFor(CudaEvent waited)
    {
        ArgumentNullException.ThrowIfNull(waited);
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuStreamWaitEvent(Handle.Value, waited.Value, 0).Check(device.Context);
    }

    /// <summary>From now on work is recorded instead of run, until <see cref="EndCapture"/> on the same thread.</summary>
    /// <exception cref="CudaException">A capture is under way, or this is the legacy default stream.</exception>
    public void BeginCapture()
    {
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuStreamBeginCapture_v2(Handle.Value, ThreadLocalCapture).Check(device.Context);
    }

    /// <summary>Ends the recording and makes it ready to be launched.</summary>
    /// <exception cref="CudaException">Something in between could not be captured; the recording is dropped.</exception>
    public CudaGraph EndCapture()
    {
        nint graph;
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuStreamEndCapture(Handle.Value, &graph).Check(device.Context);
        using var captured = new GraphHandle(device.Context, graph);
        return CudaGraph.Instantiate(device, captured);
    }

    /// <summary>Destroys the stream if it is ours; work in flight goes on to its end.</summary>
    public void Dispose() => owned?.Dispose();
}
