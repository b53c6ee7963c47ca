using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The gradients of the scales of scaled copies. First the rows' scales: an item sums a few rows of E·Input·γ. Then the columns': an item sums a run of
/// columns of one copy over the rows, in blocks that are added up separately, which keeps long sums accurate.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuScaledCopiesGradient<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int RowPhase = 0;
    private const int ColumnPhase = 1;
    private const int Chunk = 256;
    private const int RowBlock = 128;
    private const int ItemElements = 8192;
    private readonly ScaledCopiesGradientStep step;
    private readonly long rows;
    private readonly long rowsPerItem;
    private readonly long chunks;
    private nint gradient;
    private nint input;
    private nint rowScale;
    private nint columnScale;
    private nint rowGradient;
    private nint columnGradient;

    public CpuScaledCopiesGradient(WorkerPool pool, ScaledCopiesGradientStep step)
        : base(pool, "scaled-copies-gradient")
    {
        this.step = step;
        rows = step.Copies * step.Rows;
        rowsPerItem = Math.Max(1, ItemElements / Math.Max(1, step.Columns));
        chunks = Parts(step.Columns, Chunk);
        pool.Reserve(((6L * Chunk) + 2) * sizeof(T), 0);
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        gradient = addresses[step.Gradient.Slot];
        input = addresses[step.Input.Slot];
        rowScale = addresses[step.RowScale.Slot];
        columnScale = addresses[step.ColumnScale.Slot];
        rowGradient = addresses[step.RowGradient.Slot];
        columnGradient = addresses[step.ColumnGradient.Slot];
        if (rows > 0 && step.Columns > 0)
        {
            Pool.Run(this, RowPhase, Parts(rows, rowsPerItem));
            Pool.Run(this, ColumnPhase, step.Copies * chunks);
        }
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        if (phase == ColumnPhase)
        {
            SumColumns(item / chunks, item % chunks * Chunk, (T*)scratch);
            return;
        }

        long end = Math.Min((item + 1) * rowsPerItem, rows);
        for (long row = item * rowsPerItem; row < end; row++)
        {
            SumRow(row, (T*)scratch);
        }
    }

    private void SumRow(long j, T* buffer)
    {
        (long row, long copy) = ScaledCopiesStep.Place(step.Order, step.Rows, step.Copies, j);
        T* product = buffer + (3 * Chunk), total = buffer + (6 * Chunk), old = total + 1;
        *total = T.Zero;
        for (long column = 0; column < step.Columns; column += Chunk)
        {
            long count = Math.Min(Chunk, step.Columns - column);
            Storage.Load(input, step.Input.DType, (row * step.Stride) + column, count, product);
            Vectors.Multiply(product, Storage.Read(columnScale, step.ColumnScale.DType, (copy * step.Columns) + column, count, buffer), count);
            *total += Vectors.Dot(Storage.Read(gradient, step.Gradient.DType, (j * step.Columns) + column, count, buffer + Chunk), product, count);
        }

        long place = (row * step.Copies) + copy;
        *total += *Storage.Read(rowGradient, step.RowGradient.DType, place, 1, old);
        Storage.Write(total, rowGradient, step.RowGradient.DType, place, 1);
    }

    private void SumColumns(long copy, long column, T* buffer)
    {
        long count = Math.Min(Chunk, step.Columns - column), place = (copy * step.Columns) + column;
        T* product = buffer + (2 * Chunk), block = product + Chunk, total = block + Chunk, scale = buffer + (6 * Chunk);
        Storage.Load(columnGradient, step.ColumnGradient.DType, place, count, total);
        for (long row = 0; row < step.Rows;)
        {
            new Span<T>(block, (int)count).Clear();
            long end = Math.Min(row + RowBlock, step.Rows);
            for (; row < end; row++)
            {
                long j = step.Order == CopyOrder.CopyByCopy ? (copy * step.Rows) + row : (row * step.Copies) + copy;
                Storage.Load(gradient, step.Gradient.DType, (j * step.Columns) + column, count, product);
                Vectors.Multiply(product, Storage.Read(input, step.Input.DType, (row * step.Stride) + column, count, buffer), count);
                Vectors.AddScaled(block, product, *Storage.Read(rowScale, step.RowScale.DType, (row * step.Copies) + copy, 1, scale), block, count);
            }

            Vectors.Add(block, total, count);
        }

        Storage.Write(total, columnGradient, step.ColumnGradient.DType, place, count);
    }
}
