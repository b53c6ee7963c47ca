using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The gradients of both scales of the core: a block of H = Qᵀ·P is summed, multiplied by the generated block of the core and
/// reduced to partial sums; a second phase adds the partial sums in the blocks' order. Blocks depend on the sizes only.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuCoreProjection<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int MaximumRows = 192;
    private const int MaximumColumns = 256;
    private const int Blocks = 16;
    private const int ReduceChunk = 1024;
    private readonly CoreProjectionStep step;
    private readonly MemorySource<T> q;
    private readonly MemorySource<T> p;
    private readonly BlockGrid grid;
    private readonly BlockProduct<T> product;
    private nint rowScale;
    private nint columnScale;
    private nint rowGradient;
    private nint columnGradient;

    public CpuCoreProjection(WorkerPool pool, CoreProjectionStep step)
        : base(pool, $"core-projection {TileEngine<T>.Best.Name}")
    {
        this.step = step;
        TileEngine<T> engine = TileEngine<T>.Best;
        q = new MemorySource<T>(step.Q.DType, alongDepth: false, step.Core.R);
        p = new MemorySource<T>(step.P.DType, alongDepth: false, step.Core.S);
        grid = BlockGrid.Cut(step.Core.R, step.Core.S, 4 * engine.MaximumRows, 2 * engine.Columns, MaximumRows, MaximumColumns, Blocks);
        product = new BlockProduct<T>(grid.BlockRows, grid.BlockColumns);
        pool.Reserve(
            product.ScratchBytes + (sizeof(T) * ((3L * grid.BlockColumns) + grid.BlockRows)),
            sizeof(T) * ((grid.Across * step.Core.R) + (grid.Down * step.Core.S)));
    }

    private T* RowPartials => (T*)Pool.Shared;

    private T* ColumnPartials => RowPartials + (grid.Across * step.Core.R);

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        q.Address = addresses[step.Q.Slot];
        p.Address = addresses[step.P.Slot];
        rowScale = addresses[step.RowScale.Slot];
        columnScale = addresses[step.ColumnScale.Slot];
        rowGradient = addresses[step.RowGradient.Slot];
        columnGradient = addresses[step.ColumnGradient.Slot];
        Pool.Run(this, 0, grid.Count);
        Pool.Run(this, 1, Parts(grid.Rows, ReduceChunk));
        Pool.Run(this, 2, Parts(grid.Columns, ReduceChunk));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        switch (phase)
        {
            case 0:
                Project(item, scratch);
                break;
            case 1:
                Reduce(RowPartials, grid.Across, grid.Rows, item, rowGradient, step.RowGradient.DType, (T*)scratch);
                break;
            default:
                Reduce(ColumnPartials, grid.Down, grid.Columns, item, columnGradient, step.ColumnGradient.DType, (T*)scratch);
                break;
        }
    }

    private void Project(long item, byte* scratch)
    {
        (long row, int rows, long column, int columns) = grid[item];
        var h = (T*)scratch;
        product.Run(q, p, row, rows, column, columns, step.Tokens, null, h);
        T* core = (T*)(scratch + product.ScratchBytes);
        T* e = Storage.Read(columnScale, step.ColumnScale.DType, column, columns, core + grid.BlockColumns);
        T* d = Storage.Read(rowScale, step.RowScale.DType, row, rows, core + (2L * grid.BlockColumns));
        T* rowSums = RowPartials + (item % grid.Across * grid.Rows) + row;
        T* columnSums = ColumnPartials + (item / grid.Across * grid.Columns) + column;
        new Span<T>(columnSums, columns).Clear();
        for (int i = 0; i < rows; i++, h += product.Pitch)
        {
            Storage.Generate(core, step.Core.Source, step.Core.Stream, ((row + i) * step.Core.S) + column, columns);
            Vectors.Multiply(h, core, columns);
            rowSums[i] = Vectors.Dot(h, e, columns);
            Vectors.AddScaled(columnSums, h, d[i], columnSums, columns);
        }
    }

    private void Reduce(T* partials, long parts, long length, long item, nint result, DType dtype, T* sums)
    {
        long first = item * ReduceChunk;
        int count = (int)Math.Min(ReduceChunk, length - first);
        new Span<T>(sums, count).Clear();
        for (long part = 0; part < parts; part++)
        {
            Vectors.Add(partials + (part * length) + first, sums, count);
        }

        Vectors.Scale(sums, T.CreateTruncating(step.Alpha), count);
        Storage.Write(sums, result, dtype, first, count);
    }
}
