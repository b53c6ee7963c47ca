using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledCopiesStep"/> by kernels/elementwise/scaled_copies.cu.</summary>
internal sealed class ScaledCopiesLauncher : CompiledStep
{
    // Larger results do not stay in a cache of 50 MB beside what is read; written past it they take a fifth less (bench/NOTES.md).
    private const long MostCachedBytes = 16 << 20;

    private readonly ScaledCopiesStep step;
    private readonly CudaKernel kernel;
    private readonly ScaledCopiesCut cut;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public ScaledCopiesLauncher(CudaDevice device, ScaledCopiesStep step)
    {
        this.step = step;
        kernel = device.Kernels.Load(Request(step.Input.DType, step.Output.DType));
        cut = ScaledCopiesCut.Of(step, device.Traits.Processors);
        blocks = step.Columns == 0 || step.Rows == 0 ? 0 : checked((uint)(cut.Tiles * cut.Parts * step.Copies));
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from input in ElementGrid.DTypes
        from output in ElementGrid.DTypes
        select Request(input, output);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Input.DType.Label()} to {step.Output.DType.Label()}, {cut.Depth}×{cut.Width} threads, {blocks} blocks of {cut.PartRows} rows)";

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
            PartRows = cut.PartRows,
            Tiles = (uint)cut.Tiles,
            Parts = (uint)cut.Parts,
            RowByRow = step.Order == CopyOrder.RowByRow ? 1u : 0,
            Width = (uint)cut.Width,
            Depth = (uint)cut.Depth,
            Streaming = step.Copies * step.Rows * step.Columns * step.Output.DType.Size() > MostCachedBytes ? 1u : 0,
        };
        kernel.Launch(arguments, (blocks, 1, 1), cut.Threads, 0, stream, overlaps: true);
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
