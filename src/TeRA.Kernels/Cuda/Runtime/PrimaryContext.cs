using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The device's primary context, retained and never created, so that other libraries in the process share its memory.
/// Every native object holds a reference, and so does every call in flight: the context is released when the last is gone,
/// in whatever order and on whatever thread they go.
/// </summary>
internal sealed class PrimaryContext : SafeHandle
{
    private readonly Lock gate = new();
    private readonly List<CudaHandle> owned = [];
    private CudaException? firstError;
    private volatile bool closing;

    private PrimaryContext(DriverTable driver, int device, nint value)
        : base(0, ownsHandle: true)
    {
        Driver = driver;
        DeviceNumber = device;
        SetHandle(value);
    }

    /// <summary>The driver's functions.</summary>
    public DriverTable Driver { get; }

    /// <summary>The <c>CUdevice</c>.</summary>
    public int DeviceNumber { get; }

    /// <summary>Whether a fatal error has happened; the driver is then left alone, even by disposal.</summary>
    public bool IsLost => Volatile.Read(ref firstError) is not null;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Retains the primary context of <paramref name="device"/>.</summary>
    /// <exception cref="CudaException">The driver refused.</exception>
    public static unsafe PrimaryContext Retain(DriverTable driver, int device)
    {
        nint value;
        driver.cuDevicePrimaryCtxRetain(&value, device).Check(driver);
        return new PrimaryContext(driver, device, value);
    }

    /// <summary>
    /// Makes the context current on this thread until the scope ends, and keeps it alive that long. A context that another library had
    /// made current is put back; a thread without one keeps ours, which makes the next call cheaper.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="DeviceLostException">A fatal error happened before.</exception>
    public Scope Enter()
    {
        ObjectDisposedException.ThrowIf(closing, typeof(CudaDevice));
        ThrowIfLost();
        return EnterUnchecked();
    }

    /// <summary><see cref="Enter"/> for releasing objects, which is allowed after the device's disposal.</summary>
    public Scope EnterForRelease() => EnterUnchecked();

    /// <summary>Refuses every call after the first fatal error.</summary>
    /// <exception cref="DeviceLostException">A fatal error happened before.</exception>
    public void ThrowIfLost()
    {
        if (Volatile.Read(ref firstError) is { } error)
        {
            throw ResultChecks.Lost(error);
        }
    }

    /// <summary>The exception for a failed call; a fatal code marks the context as lost.</summary>
    public Exception Failure(CudaResult result, string call, string? detail = null)
    {
        CudaException error = ResultChecks.Describe(Driver, result, call, detail);
        if (result.IsFatal())
        {
            Interlocked.CompareExchange(ref firstError, error, null);
        }

        return Volatile.Read(ref firstError) is { } first ? ResultChecks.Lost(first) : error;
    }

    /// <summary>Hands over an object that lives as long as the context: it is released just before it.</summary>
    public void Own(CudaHandle child)
    {
        lock (gate)
        {
            owned.Add(child);
        }
    }

    /// <summary>Refuses further work; what is in flight or still alive keeps the context until it is gone.</summary>
    protected override void Dispose(bool disposing)
    {
        closing = true;
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override unsafe bool ReleaseHandle()
    {
        // The last reference is gone: no call is in flight, and no thread can enter again.
        if (IsLost)
        {
            return true;
        }

        nint previous = 0;
        Driver.cuCtxGetCurrent(&previous);
        Driver.cuCtxSetCurrent(handle);
        for (int i = owned.Count - 1; i >= 0; i--)
        {
            owned[i].Dispose();
        }

        Driver.cuCtxSetCurrent(previous == handle ? 0 : previous);
        return Driver.cuDevicePrimaryCtxRelease_v2(DeviceNumber) == CudaResult.Success;
    }

    private unsafe Scope EnterUnchecked()
    {
        bool referenced = false;
        DangerousAddRef(ref referenced);
        try
        {
            nint current;
            Driver.cuCtxGetCurrent(&current).Check(this);
            if (current != handle)
            {
                Driver.cuCtxSetCurrent(handle).Check(this);
            }

            return new Scope(this, current);
        }
        catch
        {
            DangerousRelease();
            throw;
        }
    }

    private void Leave(nint previous)
    {
        if (previous != 0 && previous != handle)
        {
            Driver.cuCtxSetCurrent(previous);
        }

        DangerousRelease();
    }

    /// <summary>The time for which the context is current on this thread.</summary>
    internal readonly ref struct Scope(PrimaryContext context, nint previous)
    {
        /// <summary>Puts back what was current before.</summary>
        public void Dispose() => context.Leave(previous);
    }
}
