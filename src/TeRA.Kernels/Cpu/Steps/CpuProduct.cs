using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>C = alpha·(A·diag(scale)·B + more) (+ addend) (+ bias): the blocks of C are the items, each summed completely by one thread.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal abstract unsafe class CpuProduct<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly MatrixSource<T> a;
    private readonly MatrixSource<T> b;
    private readonly ProductResult<T> result;
    private readonly long depth;
    private readonly BlockGrid grid;
    private readonly BlockProduct<T> product;

    /// <summary>Fixes the blocks.</summary>
    protected CpuProduct(WorkerPool pool, string name, MatrixSource<T> a, MatrixSource<T> b, ProductResult<T> result, BlockGrid grid, long depth)
        : base(pool, $"{name} {TileEngine<T>.Best.Name}")
    {
        this.a = a;
        this.b = b;
        this.result = result;
        this.depth = depth;
        this.grid = grid;
        product = new BlockProduct<T>(grid.BlockRows, grid.BlockColumns);
        pool.Reserve(product.ScratchBytes + (sizeof(T) * (long)grid.BlockColumns), 0);
    }

    /// <summary>The product of one item.</summary>
    protected BlockProduct<T> Product => product;

    /// <summary>The factors along the depth in this run, converted; null for ones.</summary>
    protected T* Factors { get; set; }

    /// <summary>Runs all blocks.</summary>
    protected void Multiply(ReadOnlySpan<nint> addresses)
    {
        result.Bind(addresses);
        Pool.Run(this, 0, grid.Count);
    }

    /// <summary>Adds to an item's sums, before factor, addend and bias.</summary>
    /// <param name="row">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="column">First column.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="sums">The sums; rows are <see cref="BlockProduct{T}.Pitch"/> apart.</param>
    /// <param name="scratch">The scratch memory behind the product's own.</param>
    protected virtual void AddMore(long row, int rows, long column, int columns, T* sums, byte* scratch)
    {
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        (long row, int rows, long column, int columns) = grid[item];
        var sums = (T*)scratch;
        product.Run(a, b, row, rows, column, columns, depth, Factors, sums);
        AddMore(row, rows, column, columns, sums, scratch + product.ScratchBytes);
        for (int i = 0; i < rows; i++)
        {
            result.Finish(sums + (i * product.Pitch), row + i, column, columns, (T*)(scratch + product.ScratchBytes));
        }
    }
}
