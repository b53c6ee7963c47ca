using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Scaled copies of a matrix: an item writes a few output rows, a run of columns at a time.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuScaledCopies<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Chunk = 1024;
    private const int ItemElements = 8192;
    private readonly ScaledCopiesStep step;
    private readonly long rows;
    private readonly long rowsPerItem;
    private nint input;
    private nint output;
    private nint rowScale;
    private nint columnScale;

    public CpuScaledCopies(WorkerPool pool, ScaledCopiesStep step)
        : base(pool, "scaled-copies")
    {
        this.step = step;
        rows = step.Copies * step.Rows;
        rowsPerItem = Math.Max(1, ItemElements / Math.Max(1, step.Columns));
        pool.Reserve(((3L * Chunk) + 1) * sizeof(T), 0);
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        input = addresses[step.Input.Slot];
        output = addresses[step.Output.Slot];
        rowScale = Optional(addresses, step.RowScale);
        columnScale = Optional(addresses, step.ColumnScale);
        Pool.Run(this, 0, step.Columns == 0 ? 0 : Parts(rows, rowsPerItem));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long end = Math.Min((item + 1) * rowsPerItem, rows);
        for (long row = item * rowsPerItem; row < end; row++)
        {
            for (long column = 0; column < step.Columns; column += Chunk)
            {
                Compute(row, column, Math.Min(Chunk, step.Columns - column), (T*)scratch);
            }
        }
    }

    private void Compute(long j, long column, long count, T* buffer)
    {
        (long row, long copy) = ScaledCopiesStep.Place(step.Order, step.Rows, step.Copies, j);
        long first = (j * step.Columns) + column;
        T* source = Storage.Read(input, step.Input.DType, (row * step.Stride) + column, count, buffer);
        T* result = Storage.Target(output, step.Output.DType, first, buffer + Chunk);
        Storage.Copy(source, result, count);
        if (step.RowScale is { } rowOperand)
        {
            Vectors.Scale(result, *Storage.Read(rowScale, rowOperand.DType, (row * step.Copies) + copy, 1, buffer + (3 * Chunk)), count);
        }

        if (step.ColumnScale is { } columnOperand)
        {
            Vectors.Multiply(result, Storage.Read(columnScale, columnOperand.DType, (copy * step.Columns) + column, count, buffer + (2 * Chunk)), count);
        }

        Storage.Write(result, output, step.Output.DType, first, count);
    }
}
