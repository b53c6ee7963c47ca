using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Softmax and cross-entropy, a row at a time and in float64; the rows' losses are kept and added in order.</summary>
internal sealed unsafe class CpuSoftmaxCrossEntropy : CpuStep
{
    private const long Chunk = 2048;
    private readonly SoftmaxCrossEntropyStep step;
    private nint logits;
    private nint gradient;
    private int* labels;

    public CpuSoftmaxCrossEntropy(WorkerPool pool, SoftmaxCrossEntropyStep step)
        : base(pool, "softmax-cross-entropy")
    {
        this.step = step;
        pool.Reserve(2 * step.Columns * sizeof(double), step.Rows * sizeof(double));
    }

    private long RowsPerItem => Math.Max(1, Chunk / Math.Max(1, step.Columns));

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        logits = addresses[step.Logits.Slot];
        labels = (int*)addresses[step.LabelsSlot];
        gradient = Optional(addresses, step.Gradient);
        Pool.Run(this, 0, Parts(step.Rows, RowsPerItem));
        double loss = 0;
        for (long row = 0; row < step.Rows; row++)
        {
            loss += ((double*)Pool.Shared)[row];
        }

        loss = step.Rows == 0 ? 0 : loss / step.Rows;
        Storage.Write(&loss, addresses[step.Loss.Slot], step.Loss.DType, 0, 1);
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long end = Math.Min((item + 1) * RowsPerItem, step.Rows);
        for (long row = item * RowsPerItem; row < end; row++)
        {
            ((double*)Pool.Shared)[row] = Row(row, (double*)scratch);
        }
    }

    /// <summary>The row's loss; its gradient is written where it is wanted.</summary>
    private double Row(long row, double* buffer)
    {
        long columns = step.Columns;
        double* x = Storage.Read(logits, step.Logits.DType, row * columns, columns, buffer), values = buffer + columns;
        bool legal = labels[row] >= 0 && labels[row] < columns;
        double largest = double.NegativeInfinity, total = 0;
        for (long c = 0; c < columns; c++)
        {
            largest = Math.Max(largest, x[c]);
        }

        for (long c = 0; c < columns; c++)
        {
            values[c] = Math.Exp(x[c] - largest);
            total += values[c];
        }

        // Taken before the gradient is written: it may lie where the logits do.
        double loss = legal ? Math.Log(total) + (largest - x[labels[row]]) : double.NaN;
        if (gradient != 0)
        {
            Gradient(row, values, total, legal);
        }

        return loss;
    }

    private void Gradient(long row, double* values, double total, bool legal)
    {
        double factor = legal ? step.LossScale / step.Rows : double.NaN;
        for (long c = 0; c < step.Columns; c++)
        {
            values[c] = ((values[c] / total) - (c == labels[row] ? 1 : 0)) * factor;
        }

        Storage.Write(values, gradient, step.Gradient!.Value.DType, row * step.Columns, step.Columns);
    }
}
