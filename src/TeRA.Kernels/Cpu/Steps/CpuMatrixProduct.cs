using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>The dense product of two matrices in memory.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed class CpuMatrixProduct<T> : CpuProduct<T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int MaximumRows = 480;
    private const int MaximumColumns = 256;
    private const double WorthAThread = 1e6;
    private readonly MatrixProductStep step;
    private readonly MemorySource<T> a;
    private readonly MemorySource<T> b;

    public CpuMatrixProduct(WorkerPool pool, MatrixProductStep step)
        : this(
            pool,
            step,
            new MemorySource<T>(step.A.DType, step.LayoutA == Layout.Normal, step.LayoutA == Layout.Normal ? step.K : step.M),
            new MemorySource<T>(step.B.DType, step.LayoutB == Layout.Transposed, step.LayoutB == Layout.Transposed ? step.K : step.N))
    {
    }

    private CpuMatrixProduct(WorkerPool pool, MatrixProductStep step, MemorySource<T> a, MemorySource<T> b)
        : base(pool, "product", a, b, new ProductResult<T>(step.C, step.N, step.Alpha, step.Accumulates, step.Bias), Cut(step, pool.ThreadCount), step.K)
    {
        this.step = step;
        this.a = a;
        this.b = b;
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        a.Address = addresses[step.A.Slot];
        b.Address = addresses[step.B.Slot];
        Multiply(addresses);
    }

    private static BlockGrid Cut(MatrixProductStep step, int threads)
    {
        TileEngine<T> engine = TileEngine<T>.Best;
        int parts = (int)Math.Clamp(step.Operations / WorthAThread, 1, threads == 1 ? 1 : 2 * threads);
        return BlockGrid.Cut(step.M, step.N, engine.MaximumRows, engine.Columns, MaximumRows, MaximumColumns, parts);
    }
}
