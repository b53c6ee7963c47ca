using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledCopiesGradientStep"/> by kernels/elementwise/scaled_copies_gradient.cu.</summary>
internal sealed class ScaledCopiesGradientLauncher : CompiledStep
{
    private const string File = "elementwise/scaled_copies_gradient.cu";
    private const int PartsThreads = 512;
    private const int PartsColumns = 32; // of a block of the second kernel, whose warps share their parts
    private const int PartsSharedBytes = PartsThreads * sizeof(float);

    private readonly ScaledCopiesGradientStep step;
    private readonly ScaledCopiesGradientCut cut;
    private readonly CudaKernel kernel;
    private readonly CudaKernel? partsKernel;
    private readonly uint blocks;
    private readonly uint columnBlocks;
    private readonly uint rowBlocks;

    /// <summary>Prepares the step.</summary>
    public ScaledCopiesGradientLauncher(CudaDevice device, ScaledCopiesGradientStep step)
    {
        this.step = step;
        cut = ScaledCopiesGradientCut.Of(step);
        kernel = device.Kernels.Load(Request(step.Gradient.DType, step.Input.DType));
        partsKernel = cut.Tiles > 1 || cut.Parts > 1 ? device.Kernels.Load(PartsRequest) : null;
        bool empty = step.Columns == 0 || step.Rows == 0;
        blocks = empty ? 0 : checked((uint)(cut.Tiles * cut.Parts * step.Copies));
        columnBlocks = cut.Parts == 1 ? 0 : checked((uint)ElementGrid.DivideUp(step.Copies * step.Columns, PartsColumns));
        rowBlocks = cut.Tiles == 1 ? 0 : checked((uint)ElementGrid.DivideUp(step.Copies * step.Rows, PartsThreads));
    }

    /// <summary>Every variant of the first kernel, and the second.</summary>
    public static IEnumerable<KernelRequest> Variants =>
    [
        .. from gradient in ElementGrid.DTypes
           from input in ElementGrid.DTypes
           select Request(gradient, input),
        PartsRequest,
    ];

    /// <inheritdoc/>
    public override long WorkspaceBytes => checked((RowPartials + ColumnPartials) * sizeof(float));

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : partsKernel is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description =>
        $"{kernel.Name}({step.Gradient.DType.Label()} and {step.Input.DType.Label()}, {cut.Depth}×{cut.Width} threads, {cut.Tiles} tiles of {4 * cut.Width} columns, {cut.Parts} parts of {cut.PartRows} rows)";

    private static KernelRequest PartsRequest => new(File, "scaled_copies_gradient_parts", Options(DType.Float32, DType.Float32)) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private long RowPartials => cut.Tiles == 1 ? 0 : checked(cut.Tiles * step.Rows * step.Copies);

    private long ColumnPartials => cut.Parts == 1 ? 0 : checked(cut.Parts * step.Copies * step.Columns);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (blocks == 0)
        {
            return;
        }

        nint workspace = partsKernel is null ? 0 : addresses[Step.WorkspaceSlot];
        var arguments = new Arguments
        {
            Gradient = addresses[step.Gradient.Slot],
            Input = addresses[step.Input.Slot],
            RowScale = addresses[step.RowScale.Slot],
            ColumnScale = addresses[step.ColumnScale.Slot],
            RowGradient = addresses[step.RowGradient.Slot],
            ColumnGradient = addresses[step.ColumnGradient.Slot],
            RowPartial = workspace,
            ColumnPartial = workspace + (nint)(RowPartials * sizeof(float)),
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
            ColumnBlocks = columnBlocks,
        };
        kernel.Launch(arguments, (blocks, 1, 1), cut.Threads, cut.SharedBytes, stream, overlaps: true);
        partsKernel?.Launch(arguments, (checked(columnBlocks + rowBlocks), 1, 1), PartsThreads, PartsSharedBytes, stream, overlaps: true);
    }

    private static ImmutableArray<string> Options(DType gradient, DType input) => [$"-DTERA_GRADIENT={(int)gradient}", $"-DTERA_DTYPE={(int)input}"];

    private static KernelRequest Request(DType gradient, DType input) =>
        new(File, "scaled_copies_gradient", Options(gradient, input)) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    /// <summary>The layout of <c>tera::ScaledCopiesGradientArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Gradient;
        public nint Input;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowGradient;
        public nint ColumnGradient;
        public nint RowPartial;
        public nint ColumnPartial;
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
        public uint ColumnBlocks;
    }
}
