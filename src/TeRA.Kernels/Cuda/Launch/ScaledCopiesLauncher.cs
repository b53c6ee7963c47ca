using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledCopiesStep"/> by kernels/elementwise/scaled_copies.cu.</summary>
internal sealed class ScaledCopiesLauncher : CompiledStep
{
    private const int Eight = 8; // columns of a thread
    private const int Warp = 32;
    private const int MostRounds = 4; // of rows, so that stores begin early
    // Larger results do not stay in a cache of 50 MB beside what is read; written past it they take a fifth less (bench/NOTES.md).
    private const long MostCachedBytes = 16 << 20;

    private const int BlocksOfProcessor = 16; // wanted

    private readonly ScaledCopiesStep step;
    private readonly CudaKernel kernel;
    private readonly int width;
    private readonly int depth;
    private readonly long tiles;
    private readonly long partRows;
    private readonly long parts;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public ScaledCopiesLauncher(CudaDevice device, ScaledCopiesStep step)
    {
        this.step = step;
        kernel = device.Kernels.Load(Request(step.Input.DType, step.Output.DType));
        long columns = Math.Max(step.Columns, 1), rows = Math.Max(step.Rows, 1), copies = Math.Max(step.Copies, 1);
        tiles = ElementGrid.DivideUp(columns, Eight * ElementGrid.Threads);
        width = (int)ElementGrid.DivideUp(ElementGrid.DivideUp(columns, tiles), Eight * Warp) * Warp;
        depth = ElementGrid.Threads / width;
        tiles = ElementGrid.DivideUp(columns, Eight * width);
        long wanted = Math.Max(BlocksOfProcessor * (long)device.Traits.Processors / (tiles * copies), 1);
        partRows = Math.Min(ElementGrid.DivideUp(ElementGrid.DivideUp(rows, wanted), depth), MostRounds) * depth;
        parts = ElementGrid.DivideUp(rows, partRows);
        blocks = step.Columns == 0 || step.Rows == 0 ? 0 : checked((uint)(tiles * parts * step.Copies));
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from input in ElementGrid.DTypes
        from output in ElementGrid.DTypes
        select Request(input, output);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Input.DType.Label()} to {step.Output.DType.Label()}, {depth}×{width} threads, {blocks} blocks of {partRows} rows)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Input = addresses[step.Input.Slot],
            Output = addresses[step.Output.Slot],
            RowScale = step.RowScale is { } rows ? addresses[rows.Slot] : 0,
            ColumnScale = step.ColumnScale is { } columns ? addresses[columns.Slot] : 0,
            Rows = step.Rows,
            Columns = step.Columns,
            Stride = step.Stride,
            Copies = step.Copies,
            PartRows = partRows,
            Tiles = (uint)tiles,
            Parts = (uint)parts,
            RowByRow = step.Order == CopyOrder.RowByRow ? 1u : 0,
            Width = (uint)width,
            Depth = (uint)depth,
            Streaming = step.Copies * step.Rows * step.Columns * step.Output.DType.Size() > MostCachedBytes ? 1u : 0,
        };
        kernel.Launch(arguments, (blocks, 1, 1), width * depth, 0, stream, overlaps: true);
    }

    private static KernelRequest Request(DType input, DType output) =>
        new("elementwise/scaled_copies.cu", "scaled_copies", [$"-DTERA_INPUT={(int)input}", $"-DTERA_OUTPUT={(int)output}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Input;
        public nint Output;
        public nint RowScale;
        public nint ColumnScale;
        public long Rows;
        public long Columns;
        public long Stride;
        public long Copies;
        public long PartRows;
        public uint Tiles;
        public uint Parts;
        public uint RowByRow;
        public uint Width;
        public uint Depth;
        public uint Streaming;
    }
}
