using System.Runtime.InteropServices;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// An NVIDIA GPU, through the CUDA driver. The primary context is retained, never created, so tensors of other libraries in the
/// process can be used as views. Safe to use from any thread.
/// </summary>
public sealed unsafe class CudaDevice : Device
{
    private const uint NonBlockingStream = 1;

    private readonly CudaProperties properties;
    private readonly StreamObjectHandle ownStream;

    private CudaDevice(CudaRuntime runtime, int ordinal, CudaOptions options)
    {
        Ordinal = ordinal;
        Runtime = runtime;
        properties = CudaProperties.Read(runtime.Driver, ordinal);
        Traits = properties.Traits;
        Context = PrimaryContext.Retain(runtime.Driver, properties.Device);
        try
        {
            ownStream = CreateStream(ownedByContext: true);
            Kernels = new KernelLibrary(this, options);
        }
        catch
        {
            Context.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override DeviceKind Kind => DeviceKind.Cuda;

    /// <inheritdoc/>
    public override string Name => properties.Name;

    /// <inheritdoc/>
    public override string Id => $"cuda:{Ordinal}";

    /// <summary>The device's number in the driver's order.</summary>
    public int Ordinal { get; }

    /// <summary>Compute capability, for example (9, 0).</summary>
    public (int Major, int Minor) ComputeCapability => (properties.Major, properties.Minor);

    /// <summary>The stream that a <see cref="StreamHandle"/> of 0 stands for: this device's own, which does not wait for the default stream.</summary>
    public StreamHandle DefaultStream => new(ownStream.Value);

    /// <summary>Free and total device memory in bytes, over all processes.</summary>
    public (long Free, long Total) Memory
    {
        get
        {
            nuint free;
            nuint total;
            using PrimaryContext.Scope scope = Context.Enter();
            Context.Driver.cuMemGetInfo_v2(&free, &total).Check(Context);
            return ((long)free, (long)total);
        }
    }

    internal CudaRuntime Runtime { get; }

    internal PrimaryContext Context { get; }

    /// <summary>The kernels of this device.</summary>
    internal KernelLibrary Kernels { get; }

    /// <inheritdoc/>
    internal override DeviceTraits Traits { get; }

    /// <summary>Opens a device.</summary>
    /// <param name="ordinal">The device's number in the driver's order.</param>
    /// <param name="options">Where libraries and caches are; null for the defaults.</param>
    /// <exception cref="DeviceUnavailableException">No driver, no such device, or a driver that is too old; the text says what was tried.</exception>
    public static CudaDevice Open(int ordinal = 0, CudaOptions? options = null)
    {
        options ??= CudaOptions.Default;
        return Open(CudaRuntime.Get(options), ordinal, options);
    }

    /// <summary>The devices that the driver offers, in its order; empty when it has none.</summary>
    /// <exception cref="DeviceUnavailableException">There is no driver.</exception>
    public static IReadOnlyList<CudaDeviceInfo> Devices(CudaOptions? options = null) =>
        CudaRuntime.Get(options ?? CudaOptions.Default).Devices();

    /// <inheritdoc/>
    public override bool Supports(DType dtype) => dtype is DType.Float32 or DType.BFloat16 or DType.Float16;

    /// <inheritdoc/>
    public override void Synchronize(StreamHandle stream = default)
    {
        using PrimaryContext.Scope scope = Context.Enter();
        Context.Driver.cuStreamSynchronize(Resolve(stream)).Check(Context);
    }

    /// <summary>A new stream, which does not wait for the default stream.</summary>
    public CudaStream CreateStream() => new(this, CreateStream(ownedByContext: false));

    /// <summary>A new event, to time work and to order streams.</summary>
    public CudaEvent CreateEvent() => CudaEvent.Create(this);

    /// <summary>Page-locked host memory, for copies that don't wait and that a graph can record.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is not positive, or more than a span holds.</exception>
    public CudaHostBuffer AllocateHost(long bytes) => CudaHostBuffer.Create(this, bytes);

    /// <inheritdoc/>
    public override string ToString() => $"{Id} {Name}";

    internal static CudaDevice Open(CudaRuntime runtime, int ordinal, CudaOptions options)
    {
        int count = runtime.DeviceCount();
        if (ordinal < 0 || ordinal >= count)
        {
            string found = count == 0 ? "no device" : $"{count} (cuda:0 to cuda:{count - 1})";
            throw new DeviceUnavailableException($"There is no cuda:{ordinal}; the driver ({runtime.DriverPath}) offers {found}.");
        }

        return new CudaDevice(runtime, ordinal, options);
    }

    /// <summary>The raw stream; 0 becomes the device's own.</summary>
    internal nint Resolve(StreamHandle stream) => stream.Value == 0 ? ownStream.Value : stream.Value;

    /// <inheritdoc/>
    internal override void CopyIn(nint destination, ReadOnlySpan<byte> source, StreamHandle stream)
    {
        if (source.IsEmpty)
        {
            return;
        }

        using PrimaryContext.Scope scope = Context.Enter();
        nint raw = Resolve(stream);
        RefuseCapture(raw);
        fixed (byte* pointer = source)
        {
            Context.Driver.cuMemcpyHtoDAsync_v2(destination, pointer, (nuint)source.Length, raw).Check(Context);
            Context.Driver.cuStreamSynchronize(raw).Check(Context);
        }
    }

    /// <inheritdoc/>
    internal override void CopyOut(nint source, Span<byte> destination, StreamHandle stream)
    {
        if (destination.IsEmpty)
        {
            return;
        }

        using PrimaryContext.Scope scope = Context.Enter();
        nint raw = Resolve(stream);
        RefuseCapture(raw);
        fixed (byte* pointer = destination)
        {
            Context.Driver.cuMemcpyDtoHAsync_v2(pointer, source, (nuint)destination.Length, raw).Check(Context);
            Context.Driver.cuStreamSynchronize(raw).Check(Context);
        }
    }

    /// <inheritdoc/>
    internal override void CopyWithin(nint destination, nint source, long bytes, StreamHandle stream)
    {
        if (bytes == 0)
        {
            return;
        }

        using PrimaryContext.Scope scope = Context.Enter();
        Context.Driver.cuMemcpyDtoDAsync_v2(destination, source, (nuint)bytes, Resolve(stream)).Check(Context);
    }

    /// <inheritdoc/>
    internal override void Fill(nint destination, byte value, long bytes, StreamHandle stream)
    {
        if (bytes == 0)
        {
            return;
        }

        using PrimaryContext.Scope scope = Context.Enter();
        Context.Driver.cuMemsetD8Async(destination, value, (nuint)bytes, Resolve(stream)).Check(Context);
    }

    /// <inheritdoc/>
    internal override SafeHandle AllocateMemory(long bytes)
    {
        using PrimaryContext.Scope scope = Context.Enter();
        if (bytes == 0)
        {
            return new DeviceMemoryHandle(Context, 0);
        }

        nint address;
        CudaResult result = Context.Driver.cuMemAlloc_v2(&address, (nuint)bytes);
        if (result == CudaResult.OutOfMemory)
        {
            // Tensors that nobody can reach any more still hold memory: let their finalisers run, then ask once more.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            result = Context.Driver.cuMemAlloc_v2(&address, (nuint)bytes);
        }

        return result == CudaResult.Success
            ? new DeviceMemoryHandle(Context, address)
            : throw Context.Failure(result, nameof(Context.Driver.cuMemAlloc_v2), AllocationDetail(result, bytes));
    }

    /// <inheritdoc/>
    internal override CompiledStep Compile(Step step) => StepLauncher.Create(this, step);

    /// <summary>Refuses further work. Tensors, streams and graphs that still live keep the context until they are disposed.</summary>
    protected override void Dispose(bool disposing) => Context.Dispose();

    private string AllocationDetail(CudaResult result, long bytes)
    {
        nuint free;
        nuint total;
        return result == CudaResult.OutOfMemory && Context.Driver.cuMemGetInfo_v2(&free, &total) == CudaResult.Success
            ? $"Asked for {bytes} bytes; {free} of {total} are free on {Id}."
            : $"Asked for {bytes} bytes on {Id}.";
    }

    // A graph would record the address of pageable memory that the garbage collector moves, and read it at every replay.
    private void RefuseCapture(nint stream)
    {
        int capturing;
        Context.Driver.cuStreamIsCapturing(stream, &capturing).Check(Context);
        if (capturing != 0)
        {
            throw new InvalidOperationException(
                "The stream is being captured, and a graph can't record a copy from or to ordinary memory. Copy before the capture, or use a CudaHostBuffer.");
        }
    }

    private StreamObjectHandle CreateStream(bool ownedByContext)
    {
        nint stream;
        using PrimaryContext.Scope scope = Context.Enter();
        Context.Driver.cuStreamCreate(&stream, NonBlockingStream).Check(Context);
        return new StreamObjectHandle(Context, stream, ownedByContext);
    }
}
