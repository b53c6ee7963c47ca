using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text;
using TeRA.Kernels.Cpu;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// The host's processor: vectorised, threaded, no native dependency. It computes in float32, and in float64 where the operands
/// are float64; 16-bit operands are converted when they are loaded and rounded once, to nearest even, when they are stored.
/// Calls run at once and in order, one at a time; results don't depend on the number of threads.
/// </summary>
public sealed class CpuDevice : Device
{
    private static readonly Lazy<CpuDevice> SharedDevice = new(() => new CpuDevice(Environment.ProcessorCount, isShared: true));
    private readonly WorkerPool pool;
    private readonly bool isShared;

    /// <summary>A device with threads of its own.</summary>
    /// <param name="threads">Threads that work on a step, the calling one included.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not from 1 to 1024.</exception>
    public CpuDevice(int threads)
        : this(Checked(threads), isShared: false)
    {
    }

    private CpuDevice(int threads, bool isShared)
    {
        this.isShared = isShared;
        pool = new WorkerPool(threads);
        Name = $"{ProcessorName()}, {threads} thread{(threads == 1 ? "" : "s")}, {VectorName}";
        Traits = EstimateTraits(threads);
    }

    /// <summary>The process-wide device with one thread for each logical processor. Disposing it has no effect.</summary>
    public static CpuDevice Shared => SharedDevice.Value;

    /// <inheritdoc/>
    public override DeviceKind Kind => DeviceKind.Cpu;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Id => "cpu";

    /// <summary>Threads that work on a step, the calling one included.</summary>
    public int Threads => pool.ThreadCount;

    /// <inheritdoc/>
    internal override DeviceTraits Traits { get; }

    /// <summary>The widest vectors that the micro-kernels use here.</summary>
    internal static string VectorName =>
        Vector512.IsHardwareAccelerated ? "avx512"
        : Vector256.IsHardwareAccelerated ? "avx2"
        : Vector128.IsHardwareAccelerated ? "vector128" : "scalar";

    /// <inheritdoc/>
    public override bool Supports(DType dtype) => dtype is DType.Float32 or DType.Float64 or DType.BFloat16 or DType.Float16;

    /// <inheritdoc/>
    public override void Synchronize(StreamHandle stream = default)
    {
    }

    /// <inheritdoc/>
    internal override unsafe void CopyIn(nint destination, ReadOnlySpan<byte> source, StreamHandle stream) =>
        source.CopyTo(new Span<byte>((void*)destination, source.Length));

    /// <inheritdoc/>
    internal override unsafe void CopyOut(nint source, Span<byte> destination, StreamHandle stream) =>
        new ReadOnlySpan<byte>((void*)source, destination.Length).CopyTo(destination);

    /// <inheritdoc/>
    internal override unsafe void CopyWithin(nint destination, nint source, long bytes, StreamHandle stream) =>
        Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

    /// <inheritdoc/>
    internal override unsafe void Fill(nint destination, byte value, long bytes, StreamHandle stream) =>
        NativeMemory.Fill((void*)destination, checked((nuint)bytes), value);

    /// <inheritdoc/>
    internal override SafeHandle AllocateMemory(long bytes) => new NativeMemoryHandle(bytes);

    /// <inheritdoc/>
    internal override CompiledStep Compile(Step step) => CpuCompiler.Create(pool, step);

    /// <inheritdoc/>
    private protected override bool IsProcessWide => isShared;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            pool.Dispose();
        }
    }

    private static int Checked(int threads)
    {
        if (threads is < 1 or > 1024)
        {
            throw new ArgumentOutOfRangeException(nameof(threads), threads, "a CPU device needs 1 to 1024 threads");
        }

        return threads;
    }

    /// <summary>
    /// A constant model, not a measurement: 3 GHz, two multiply-adds of the vector width a cycle and 60 % of that reached by the
    /// products; 12 GB/s for each thread up to 48 GB/s; 2 µs to hand a step to the threads.
    /// </summary>
    private static DeviceTraits EstimateTraits(int threads)
    {
        int lanes = Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4;
        double rate = threads * 3e9 * 2 * 2 * lanes * 0.6;
        return new DeviceTraits(DeviceKind.Cpu, 0, threads, 12e9 * Math.Min(threads, 4), rate, rate, 2e-6, 0);
    }

    private static string ProcessorName()
    {
        if (X86Base.IsSupported && (uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax >= 0x80000004)
        {
            Span<int> words = stackalloc int[12];
            for (int leaf = 0; leaf < 3; leaf++)
            {
                (words[4 * leaf], words[(4 * leaf) + 1], words[(4 * leaf) + 2], words[(4 * leaf) + 3]) = X86Base.CpuId(unchecked((int)0x80000002) + leaf, 0);
            }

            return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words)).Trim('\0', ' ');
        }

        return $"{RuntimeInformation.ProcessArchitecture} processor".ToLowerInvariant();
    }
}
