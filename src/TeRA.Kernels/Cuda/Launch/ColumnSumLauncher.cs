using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ColumnSumStep"/> by kernels/elementwise/column_sum.cu.</summary>
internal sealed class ColumnSumLauncher : CompiledStep
{
    private const string File = "elementwise/column_sum.cu";
    private const int ColumnsPerBlock = 32;
    private const int MinPartRows = 256;
    private const int MaxParts = 64;

    private static readonly string[] Entries = ["column_sum", "column_sum_parts"];

    private readonly ColumnSumStep step;
    private readonly CudaKernel kernel;
    private readonly CudaKernel? second;
    private readonly long partRows;
    private readonly long parts;

    /// <summary>Prepares the step.</summary>
    public ColumnSumLauncher(CudaDevice device, ColumnSumStep step)
    {
        this.step = step;
        (partRows, parts) = Cut(step.Rows);
        kernel = device.Kernels.Load(Request("column_sum", step.Input.DType));
        second = parts > 1 ? device.Kernels.Load(Request("column_sum_parts", step.Input.DType)) : null;
    }

    /// <summary>Every variant of both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from entry in Entries
        from dtype in ElementGrid.DTypes
        select Request(entry, dtype);

    /// <inheritdoc/>
    public override long WorkspaceBytes => second is null ? 0 : checked(parts * step.Columns * sizeof(float));

    /// <inheritdoc/>
    public override int Launches => step.Rows == 0 || step.Columns == 0 ? 0 : second is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Input.DType.Label()}, {parts} parts of {partRows} rows)";

    /// <summary>How many rows are summed in one go, and how many such parts there are: by the number of rows alone, so that the result is.</summary>
    public static (long PartRows, long Parts) Cut(long rows)
    {
        long partRows = Math.Max(MinPartRows, ElementGrid.DivideUp(rows, MaxParts));
        return (partRows, ElementGrid.DivideUp(rows, partRows));
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Input = addresses[step.Input.Slot],
            Output = addresses[step.Output.Slot],
            Partial = second is null ? 0 : addresses[Step.WorkspaceSlot],
            Rows = step.Rows,
            Columns = step.Columns,
            PartRows = partRows,
            Parts = (uint)parts,
        };
        kernel.Launch(arguments, ((uint)ElementGrid.DivideUp(step.Columns, ColumnsPerBlock), (uint)parts, 1), ElementGrid.Threads, 0, stream);
        second?.Launch(arguments, ((uint)ElementGrid.DivideUp(step.Columns, ElementGrid.Threads), 1, 1), ElementGrid.Threads, 0, stream);
    }

    private static KernelRequest Request(string entry, DType dtype) =>
        new(File, entry, [$"-DTERA_DTYPE={(int)dtype}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Input;
        public nint Output;
        public nint Partial;
        public long Rows;
        public long Columns;
        public long PartRows;
        public uint Parts;
    }
}
