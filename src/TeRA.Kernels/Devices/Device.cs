using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// Where tensors live and steps run. A device knows nothing of adapters: it owns memory and executes the steps
/// (<c>TeRA.Kernels.Steps</c>) that a plan lists.
/// </summary>
public abstract class Device : IDisposable
{
    private protected Device() => Scratch = new ScratchArenas(this);

    /// <summary>CPU or CUDA.</summary>
    public abstract DeviceKind Kind { get; }

    /// <summary>What it is, for people: the processor's or the card's name.</summary>
    public abstract string Name { get; }

    /// <summary>Short name that selects it again: <c>cpu</c>, <c>cuda:0</c>.</summary>
    public abstract string Id { get; }

    /// <summary>True for a device that the whole process shares: disposing it has no effect.</summary>
    private protected virtual bool IsProcessWide => false;

    /// <summary>Scratch that all layers share, one arena a stream.</summary>
    internal ScratchArenas Scratch { get; }

    /// <summary>The figures that the planner's cost model needs.</summary>
    internal abstract DeviceTraits Traits { get; }

    /// <summary>Opens the device that <paramref name="spec"/> names.</summary>
    /// <param name="spec"><c>auto</c> (the first GPU on which kernels can be compiled, else the CPU), <c>cpu</c>, <c>cuda</c> or <c>cuda:n</c>.</param>
    /// <param name="options">Where CUDA's libraries and caches are; null for the defaults.</param>
    /// <exception cref="ArgumentException">The text names no device.</exception>
    /// <exception cref="DeviceUnavailableException">The named device can't be used here. <c>auto</c> never throws it; <see cref="DeviceProbe"/> says why there is no GPU.</exception>
    public static Device Open(string spec, CudaOptions? options = null) => DeviceFactory.Open(spec, options ?? CudaOptions.Default);

    /// <summary>Allocates an uninitialised, contiguous, row-major tensor.</summary>
    /// <param name="dtype">Element type. float64 is refused by CUDA devices.</param>
    /// <param name="shape">Lengths of the dimensions, outermost first; 0 is legal.</param>
    /// <exception cref="ArgumentException">A length is negative, the product overflows, or the dtype is not supported here.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public Tensor Allocate(DType dtype, params ReadOnlySpan<long> shape)
    {
        if (!Supports(dtype))
        {
            throw new ArgumentException($"{Id} has no {dtype.Label()}; it supports float32, bfloat16 and float16.", nameof(dtype));
        }

        long bytes = checked(Tensor.CountElements(shape) * dtype.Size());
        SafeHandle memory = AllocateMemory(bytes);
        return new Tensor(this, memory, memory.DangerousGetHandle(), dtype, shape, ownsMemory: true);
    }

    /// <summary>Allocates a tensor and copies <paramref name="values"/> into it, complete on return.</summary>
    /// <exception cref="ArgumentException">The number of values is not the shape's product.</exception>
    public Tensor From<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        Tensor tensor = Allocate(DTypes.Of<T>(), shape);
        try
        {
            tensor.CopyFrom(values);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>A tensor over memory that somebody else owns and keeps alive: a device pointer on CUDA, a host pointer on the CPU.</summary>
    /// <exception cref="ArgumentException">The address is 0 though the shape has elements, or is not aligned to the element's size.</exception>
    public Tensor View(nint address, DType dtype, params ReadOnlySpan<long> shape)
    {
        if ((address == 0 && Tensor.CountElements(shape) > 0) || address % dtype.Size() != 0)
        {
            throw new ArgumentException($"0x{address:x} is no address of {dtype.Label()} elements.", nameof(address));
        }

        return new Tensor(this, null, address, dtype, shape, ownsMemory: false);
    }

    /// <summary>Whether tensors of this dtype can live and be computed with here.</summary>
    public abstract bool Supports(DType dtype);

    /// <summary>Blocks until everything submitted to <paramref name="stream"/> is done.</summary>
    public abstract void Synchronize(StreamHandle stream = default);

    /// <summary>Copies host bytes to this device; complete on return unless the stream is being captured.</summary>
    internal abstract void CopyIn(nint destination, ReadOnlySpan<byte> source, StreamHandle stream);

    /// <summary>Copies bytes of this device to the host; complete on return.</summary>
    internal abstract void CopyOut(nint source, Span<byte> destination, StreamHandle stream);

    /// <summary>Copies within this device, ordered on the stream.</summary>
    internal abstract void CopyWithin(nint destination, nint source, long bytes, StreamHandle stream);

    /// <summary>Sets bytes, ordered on the stream.</summary>
    internal abstract void Fill(nint destination, byte value, long bytes, StreamHandle stream);

    /// <summary>Memory of this device, aligned to 256 bytes, released by the handle.</summary>
    internal abstract SafeHandle AllocateMemory(long bytes);

    /// <summary>Prepares one step: kernels compiled and chosen, launch sizes fixed. Running it allocates nothing.</summary>
    internal abstract CompiledStep Compile(Step step);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!IsProcessWide)
        {
            Scratch.Dispose();
            Dispose(true);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the device owns. Never throws.</summary>
    protected abstract void Dispose(bool disposing);
}
