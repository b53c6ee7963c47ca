using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="FillRandomStep"/> by kernels/random/fill.cu.</summary>
internal sealed class FillRandomLauncher : CompiledStep
{
    private const int DefaultThreads = 256;
    private const int VectorBytes = 16;

    // Blocks in turns for every one that the device holds: those that end early make room for others. Measured: 31.2 µs with one, 30.5 with two, 31.6 with four.
    private const int Turns = 2;

    // Of 16-bit normals in tiles: the constants and the list of doubts of kernels/random/fill_tiles.cuh.
    private const int TileThreads = DefaultThreads;
    private const int TileElements = TileThreads * 8 * 4;
    private const int TileSharedBytes = sizeof(uint) + (TileElements / 4 * sizeof(ushort));
    private const int TileAlignment = 8;

    // A tile's threads make 32 normals each, the exact formula's eight: with fewer tiles for a multiprocessor there are too few of them to hide what each waits for.
    private const int LeastTilesPerProcessor = 2;

    private readonly FillRandomStep step;
    private readonly CudaKernel kernel;
    private readonly int threads;
    private readonly bool tiled;
    private readonly bool early;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="step">What to fill.</param>
    /// <param name="blocks">Grid size, where a test wants its own; null for twice as many as the device holds at once, or fewer for a short factor.</param>
    /// <param name="threads">Block size.</param>
    /// <param name="tiled">Whether many 16-bit normals may go in tiles, approximated first: the same bits sooner.</param>
    /// <param name="early">Whether the kernel launched before it is a product that leaves the output alone: then it begins where that one leaves room.</param>
    public FillRandomLauncher(CudaDevice device, FillRandomStep step, uint? blocks = null, int threads = DefaultThreads, bool tiled = true, bool early = false)
    {
        this.step = step;
        this.threads = threads;
        this.early = early;
        kernel = device.Kernels.Load(Request(step.Output.DType, step.Core.Source.Distribution.Kind));
        this.tiled = tiled && threads == TileThreads && GoesInTiles(device);
        this.blocks = blocks ?? ChooseBlocks(device);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in new[] { DType.Float32, DType.BFloat16, DType.Float16 }
        from kind in Enum.GetValues<DistributionKind>()
        select Request(dtype, kind);

    /// <inheritdoc/>
    public override int Launches => 1;

    /// <inheritdoc/>
    public override string Description =>
        $"{kernel.Name}<{step.Output.DType.Label()}, {step.Core.Source.Distribution}> {blocks}×{threads}{(tiled ? " in tiles" : string.Empty)}{(early ? ", early" : string.Empty)}";

    private long Count => checked(step.Core.R * step.Core.S);

    private int SharedBytes => tiled ? TileSharedBytes : 0;

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (Count == 0)
        {
            return;
        }

        var arguments = new Arguments
        {
            Output = addresses[step.Output.Slot],
            Count = (ulong)Count,
            Source = new RandomSourceArguments(step.Core),
            Scale = (float)step.Scale,
        };
        arguments.Early = early ? 1u : 0u;
        arguments.Tiled = tiled && arguments.Output % TileAlignment == 0 ? 1u : 0u;
        kernel.Launch(arguments, (blocks, 1, 1), threads, SharedBytes, stream, overlaps: true);
    }

    private static KernelRequest Request(DType dtype, DistributionKind kind) => new(
        "random/fill.cu",
        "fill_random",
        ImmutableArray.Create($"-DTERA_DTYPE={(int)dtype}", $"-DTERA_DISTRIBUTION={(int)kind}")) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private bool GoesInTiles(CudaDevice device) =>
        step.Output.DType != DType.Float32 && step.Core.Source.Distribution.Kind == DistributionKind.Normal && Count <= uint.MaxValue &&
        Count >= (long)TileElements * LeastTilesPerProcessor * device.Traits.Processors;

    private uint ChooseBlocks(CudaDevice device)
    {
        long perBlock = tiled ? TileElements : (long)threads * (VectorBytes / step.Output.DType.Size());
        long resident = (long)device.Traits.Processors * Math.Max(1, kernel.MaxBlocksPerProcessor(threads, SharedBytes));
        return (uint)Math.Clamp((Count + perBlock - 1) / perBlock, 1, Turns * resident);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Output;
        public ulong Count;
        public RandomSourceArguments Source;
        public float Scale;
        public uint Early;
        public uint Tiled;
    }
}
