using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledCopiesGradientStep"/> by kernels/elementwise/scaled_copies_gradient.cu.</summary>
internal sealed class ScaledCopiesGradientLauncher : CompiledStep
{
    private const string File = "elementwise/scaled_copies_gradient.cu";
    private const string RowEntry = "scaled_copies_row_gradient";
    private const string ColumnEntry = "scaled_copies_column_gradient";
    private const string PartsEntry = "scaled_copies_gradient_parts";
    private const int ColumnsPerBlock = 32;
    private const int RowsPerBlock = 8;

    private static readonly string[] Entries = [RowEntry, ColumnEntry, PartsEntry];

    private readonly ScaledCopiesGradientStep step;
    private readonly CudaKernel rowKernel;
    private readonly CudaKernel columnKernel;
    private readonly CudaKernel? partsKernel;
    private readonly long partRows;
    private readonly long parts;
    private readonly uint rowBlocks;
    private readonly uint columnBlocks;

    /// <summary>Prepares the step.</summary>
    public ScaledCopiesGradientLauncher(CudaDevice device, ScaledCopiesGradientStep step)
    {
        this.step = step;
        (partRows, parts) = ColumnSumLauncher.Cut(step.Rows);
        rowKernel = device.Kernels.Load(Request(RowEntry, step.Input.DType));
        columnKernel = device.Kernels.Load(Request(ColumnEntry, step.Input.DType));
        partsKernel = parts > 1 ? device.Kernels.Load(Request(PartsEntry, step.Input.DType)) : null;
        bool empty = step.Columns == 0 || step.Rows == 0;
        rowBlocks = empty ? 0 : ElementGrid.Blocks(device, rowKernel, checked(step.Copies * step.Rows), RowsPerBlock);
        columnBlocks = empty ? 0 : checked((uint)(ElementGrid.DivideUp(step.Columns, ColumnsPerBlock) * parts * step.Copies));
    }

    /// <summary>Every variant of the three kernels.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from entry in Entries
        from dtype in ElementGrid.DTypes
        select Request(entry, dtype);

    /// <inheritdoc/>
    public override long WorkspaceBytes => partsKernel is null ? 0 : checked(parts * step.Copies * step.Columns * sizeof(float));

    /// <inheritdoc/>
    public override int Launches => rowBlocks == 0 ? 0 : partsKernel is null ? 2 : 3;

    /// <inheritdoc/>
    public override string Description => $"{rowKernel.Name} and {columnKernel.Name}({step.Input.DType.Label()}, {parts} parts of {partRows} rows)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Gradient = addresses[step.Gradient.Slot],
            Input = addresses[step.Input.Slot],
            RowScale = addresses[step.RowScale.Slot],
            ColumnScale = addresses[step.ColumnScale.Slot],
            RowGradient = addresses[step.RowGradient.Slot],
            ColumnGradient = addresses[step.ColumnGradient.Slot],
            Partial = partsKernel is null ? 0 : addresses[Step.WorkspaceSlot],
            Rows = step.Rows,
            Columns = step.Columns,
            Stride = step.Stride,
            Copies = step.Copies,
            PartRows = partRows,
            Parts = (uint)parts,
            RowByRow = step.Order == CopyOrder.RowByRow ? 1u : 0,
        };
        rowKernel.Launch(arguments, (rowBlocks, 1, 1), ElementGrid.Threads, 0, stream);
        columnKernel.Launch(arguments, (columnBlocks, 1, 1), ElementGrid.Threads, 0, stream);
        partsKernel?.Launch(arguments, ((uint)ElementGrid.DivideUp(step.Copies * step.Columns, ElementGrid.Threads), 1, 1), ElementGrid.Threads, 0, stream);
    }

    private static KernelRequest Request(string entry, DType dtype) =>
        new(File, entry, [$"-DTERA_DTYPE={(int)dtype}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Gradient;
        public nint Input;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowGradient;
        public nint ColumnGradient;
        public nint Partial;
        public long Rows;
        public long Columns;
        public long Stride;
        public long Copies;
        public long PartRows;
        public uint Parts;
        public uint RowByRow;
    }
}
