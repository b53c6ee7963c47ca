using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The core with one first mode applied, chunk by chunk: over rows a chunk is a run of neighbours of the output's rows, the core's elements
/// generated once for each rank of the mode and added to all its outputs. Over columns it is a run of columns of some rows of the core,
/// turned in scratch memory before it is written.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuCoreExpansion<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const long Elements = 32768;
    private const long Longest = 1024;
    private const long TurnedRows = 16;
    private readonly CoreExpansionStep step;
    private readonly long rest;
    private readonly long chunk;
    private nint output;
    private nint rowScale;
    private nint columnScale;

    public CpuCoreExpansion(WorkerPool pool, CoreExpansionStep step)
        : base(pool, step.OverColumns ? "core-expansion over columns" : "core-expansion")
    {
        this.step = step;
        rest = (step.OverColumns ? step.Core.S : step.Core.R) / step.First.In;
        long rows = step.OverColumns ? TurnedRows : 1;
        chunk = Math.Clamp(Elements / Math.Max(1, step.First.Out * rows), 8, Longest);
        pool.Reserve(
            checked(sizeof(T) * ((step.First.Out * chunk * rows) + (2 * chunk) + 2)),
            checked(sizeof(T) * ((2 * step.First.In * step.First.Out) + step.Core.R + step.Core.S)));
    }

    private T* Factor => (T*)Pool.Shared;

    private T* RowScale => Factor + (2 * step.First.In * step.First.Out);

    private T* ColumnScale => RowScale + step.Core.R;

    private T Alpha => T.CreateTruncating(step.Alpha);

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        if (step.Rows == 0 || step.Columns == 0)
        {
            return;
        }

        output = addresses[step.Output.Slot];
        rowScale = Optional(addresses, step.RowScale);
        columnScale = Optional(addresses, step.ColumnScale);
        Storage.GenerateFactor(Factor, Factor + (step.First.In * step.First.Out), step.Factors, step.First);
        LoadScale(rowScale, step.RowScale, step.Core.R, RowScale);
        LoadScale(columnScale, step.ColumnScale, step.Core.S, ColumnScale);
        Pool.Run(this, 0, step.OverColumns ? Parts(rest, chunk) * Parts(step.Core.R, TurnedRows) : Parts(rest * step.Core.S, chunk));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        if (step.OverColumns)
        {
            long across = Parts(step.Core.R, TurnedRows);
            ExpandColumns(item / across * chunk, item % across * TurnedRows, (T*)scratch);
        }
        else
        {
            ExpandRows(item * chunk, (T*)scratch);
        }
    }

    private static void LoadScale(nint address, Operand? operand, long count, T* scale)
    {
        if (operand is { } present)
        {
            Storage.Load(address, present.DType, 0, count, scale);
        }
        else
        {
            new Span<T>(scale, checked((int)count)).Fill(T.One);
        }
    }

    private void ExpandRows(long first, T* buffer)
    {
        long width = rest * step.Core.S, outs = step.First.Out;
        int count = (int)Math.Min(chunk, width - first);
        T* core = buffer, sums = buffer + (2 * chunk);
        new Span<T>(sums, checked((int)(outs * chunk))).Clear();
        for (long k = 0; k < step.First.In; k++)
        {
            Storage.Generate(core, step.Core.Source, step.Core.Stream, (k * width) + first, count);
            for (int n = 0; n < count; n++)
            {
                (long i, long s) = Math.DivRem(first + n, step.Core.S);
                core[n] *= RowScale[(k * rest) + i] * ColumnScale[s];
            }

            for (long o = 0; o < outs; o++)
            {
                Vectors.AddScaled(sums + (o * chunk), core, Factor[(o * step.First.In) + k], sums + (o * chunk), count);
            }
        }

        for (long o = 0; o < outs; o++)
        {
            Vectors.Scale(sums + (o * chunk), Alpha, count);
            Storage.Write(sums + (o * chunk), output, step.Output.DType, (o * width) + first, count);
        }
    }

    private void ExpandColumns(long first, long firstRow, T* buffer)
    {
        long outs = step.First.Out, rows = Math.Min(TurnedRows, step.Core.R - firstRow);
        int count = (int)Math.Min(chunk, rest - first);
        // sums[(o, j), row]: as they lie in the output.
        T* core = buffer, sums = buffer + (2 * chunk);
        new Span<T>(sums, checked((int)(outs * chunk * TurnedRows))).Clear();
        for (long row = 0; row < rows; row++)
        {
            for (long k = 0; k < step.First.In; k++)
            {
                long column = (k * rest) + first;
                Storage.Generate(core, step.Core.Source, step.Core.Stream, ((firstRow + row) * step.Core.S) + column, count);
                Vectors.Multiply(core, ColumnScale + column, count);
                for (long o = 0; o < outs; o++)
                {
                    T factor = Factor[(o * step.First.In) + k] * RowScale[firstRow + row];
                    T* target = sums + (o * chunk * TurnedRows) + row;
                    for (int j = 0; j < count; j++)
                    {
                        target[j * TurnedRows] += factor * core[j];
                    }
                }
            }
        }

        for (long o = 0; o < outs; o++)
        {
            for (int j = 0; j < count; j++)
            {
                T* line = sums + (((o * chunk) + j) * TurnedRows);
                Vectors.Scale(line, Alpha, rows);
                Storage.Write(line, output, step.Output.DType, (((o * rest) + first + j) * step.Core.R) + firstRow, rows);
            }
        }
    }
}
