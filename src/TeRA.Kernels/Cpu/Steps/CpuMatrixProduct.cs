using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>The dense product of two matrices in memory, and the block product that a step adds to it.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuMatrixProduct<T> : CpuProduct<T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int MaximumRows = 480;
    private const int MaximumColumns = 256;
    private const double WorthAThread = 1e6;
    private readonly MatrixProductStep step;
    private readonly MemorySource<T> a;
    private readonly MemorySource<T> b;
    private readonly MemorySource<T>? blockA;
    private readonly MemorySource<T>? blockB;

    public CpuMatrixProduct(WorkerPool pool, MatrixProductStep step)
        : this(
            pool,
            step,
            new MemorySource<T>(step.A.DType, step.LayoutA == Layout.Normal, step.LayoutA == Layout.Normal ? step.K : step.M),
            new MemorySource<T>(step.B.DType, step.LayoutB == Layout.Transposed, step.LayoutB == Layout.Transposed ? step.K : step.N))
    {
    }

    private CpuMatrixProduct(WorkerPool pool, MatrixProductStep step, MemorySource<T> a, MemorySource<T> b)
        : base(pool, "product", a, b, new ProductResult<T>(step.C, step.N, step.Alpha, step.AddTo, step.Bias), Cut(step, pool.ThreadCount), step.K)
    {
        this.step = step;
        this.a = a;
        this.b = b;
        if (step.Blocks is { } blocks)
        {
            pool.Reserve(2 * Product.ScratchBytes, 0);
            bool alongDepth = blocks.LayoutB == Layout.Transposed;
            blockA = new MemorySource<T>(blocks.A.DType, alongDepth: true, step.N / blocks.Columns * blocks.K);
            blockB = new MemorySource<T>(blocks.B.DType, alongDepth, alongDepth ? blocks.K : blocks.Columns);
        }
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        a.Address = addresses[step.A.Slot];
        b.Address = addresses[step.B.Slot];
        if (step.Blocks is { } blocks)
        {
            blockA!.Address = addresses[blocks.A.Slot];
            blockB!.Address = addresses[blocks.B.Slot];
        }

        Multiply(addresses);
    }

    /// <inheritdoc/>
    protected override void AddMore(long row, int rows, long column, int columns, T* sums, byte* scratch)
    {
        if (step.Blocks is not { } blocks)
        {
            return;
        }

        // An item may meet several blocks, and share its first and last with its neighbours.
        var products = (T*)scratch;
        long end = column + columns;
        for (long block = column / blocks.Columns; column < end; block++)
        {
            int count = (int)(Math.Min(end, (block + 1) * blocks.Columns) - column);
            Product.Run(blockA!, blockB!, row, rows, column - (block * blocks.Columns), count, blocks.K, null, products, block * blocks.K);
            for (int i = 0; i < rows; i++)
            {
                Vectors.Add(products + (i * Product.Pitch), sums + (i * Product.Pitch), count);
            }

            column += count;
            sums += count;
        }
    }

    private static BlockGrid Cut(MatrixProductStep step, int threads)
    {
        TileEngine<T> engine = TileEngine<T>.Best;
        int parts = (int)Math.Clamp(step.Operations / WorthAThread, 1, threads == 1 ? 1 : 2 * threads);
        return BlockGrid.Cut(step.M, step.N, engine.MaximumRows, engine.Columns, MaximumRows, MaximumColumns, parts);
    }
}
