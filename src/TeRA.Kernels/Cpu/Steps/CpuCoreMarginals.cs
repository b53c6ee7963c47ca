using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The gradients of the core's diagonals from H in memory: blocks of rows, each with the core generated beside it. A row's sum is complete in
/// its block; sums along columns are partial, and a second phase adds them in the blocks' order. Blocks depend on the sizes only.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuCoreMarginals<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const long LeastRows = 8;
    private const long Blocks = 64;
    private const int Chunk = 1024;
    private readonly CoreMarginalsStep step;
    private readonly long blockRows;
    private readonly long blocks;
    private nint h;
    private nint generated;
    private nint rowScale;
    private nint columnScale;
    private nint rowGradient;
    private nint columnGradient;

    public CpuCoreMarginals(WorkerPool pool, CoreMarginalsStep step)
        : base(pool, "core-marginals")
    {
        this.step = step;
        blockRows = Math.Max(LeastRows, Parts(step.Core.R, Blocks));
        blocks = Parts(step.Core.R, blockRows);
        pool.Reserve(sizeof(T) * ((4L * Chunk) + blockRows), checked(sizeof(T) * blocks * step.Core.S));
    }

    private T Alpha => T.CreateTruncating(step.Alpha);

    private T* Partials => (T*)Pool.Shared;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        h = addresses[step.H.Slot];
        generated = Optional(addresses, step.Generated);
        rowScale = addresses[step.RowScale.Slot];
        columnScale = addresses[step.ColumnScale.Slot];
        rowGradient = addresses[step.RowGradient.Slot];
        columnGradient = addresses[step.ColumnGradient.Slot];
        Pool.Run(this, 0, blocks);
        Pool.Run(this, 1, Parts(step.Core.S, Chunk));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        if (phase == 0)
        {
            SumBlock(item, (T*)scratch);
        }
        else
        {
            AddPartials(item * Chunk, (T*)scratch);
        }
    }

    private void SumBlock(long block, T* buffer)
    {
        T* core = buffer, values = core + Chunk, scales = values + Chunk, sums = scales + Chunk, columns = Partials + (block * step.Core.S);
        long first = block * blockRows, rows = Math.Min(blockRows, step.Core.R - first), width = step.Core.S;
        T* d = Storage.Read(rowScale, step.RowScale.DType, first, rows, buffer + (4L * Chunk));
        new Span<T>(columns, checked((int)width)).Clear();
        for (long row = 0; row < rows; row++)
        {
            T sum = T.Zero;
            for (long column = 0; column < width; column += Chunk)
            {
                int count = (int)Math.Min(Chunk, width - column);
                long place = ((first + row) * width) + column;
                ReadCore(core, place, count);
                Vectors.Multiply(core, Storage.Read(h, step.H.DType, place, count, values), count);
                sum += Vectors.Dot(core, Storage.Read(columnScale, step.ColumnScale.DType, column, count, scales), count);
                Vectors.AddScaled(columns + column, core, d[row], columns + column, count);
            }

            *sums = sum * Alpha;
            Storage.Write(sums, rowGradient, step.RowGradient.DType, first + row, 1);
        }
    }

    private void ReadCore(T* core, long place, int count)
    {
        if (step.Generated is not { } stored)
        {
            Storage.Generate(core, step.Core.Source, step.Core.Stream, place, count);
            return;
        }

        Storage.Load(generated, stored.DType, place, count, core);
        Vectors.Scale(core, T.CreateTruncating(step.Core.Source.Distribution.Unit), count);
    }

    private void AddPartials(long first, T* sums)
    {
        int count = (int)Math.Min(Chunk, step.Core.S - first);
        new Span<T>(sums, count).Clear();
        for (long block = 0; block < blocks; block++)
        {
            Vectors.Add(Partials + (block * step.Core.S) + first, sums, count);
        }

        Vectors.Scale(sums, Alpha, count);
        Storage.Write(sums, columnGradient, step.ColumnGradient.DType, first, count);
    }
}
