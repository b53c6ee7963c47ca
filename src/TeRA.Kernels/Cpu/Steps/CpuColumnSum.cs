using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// Output += the sums of the columns: an item sums a run of columns from the first row to the last, in blocks of rows that are
/// added up separately, which keeps long sums accurate.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuColumnSum<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Chunk = 128;
    private const int RowBlock = 128;
    private readonly ColumnSumStep step;
    private nint input;
    private nint output;

    public CpuColumnSum(WorkerPool pool, ColumnSumStep step)
        : base(pool, "column-sum")
    {
        this.step = step;
        pool.Reserve(3L * Chunk * sizeof(T), 0);
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        input = addresses[step.Input.Slot];
        output = addresses[step.Output.Slot];
        Pool.Run(this, 0, step.Rows == 0 ? 0 : Parts(step.Columns, Chunk));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long first = item * Chunk;
        int count = (int)Math.Min(Chunk, step.Columns - first);
        T* total = (T*)scratch, block = total + Chunk, line = block + Chunk;
        Storage.Load(output, step.Output.DType, first, count, total);
        for (long row = 0; row < step.Rows;)
        {
            new Span<T>(block, count).Clear();
            long end = Math.Min(row + RowBlock, step.Rows);
            for (; row < end; row++)
            {
                Vectors.Add(Storage.Read(input, step.Input.DType, (row * step.Columns) + first, count, line), block, count);
            }

            Vectors.Add(block, total, count);
        }

        Storage.Write(total, output, step.Output.DType, first, count);
    }
}
