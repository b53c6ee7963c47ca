using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The product with the regenerated core: the core is the B operand, generated block by block as it is packed, once for every
/// <see cref="MaximumRows"/> tokens.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuCoreProduct<T> : CpuProduct<T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int MaximumRows = 1024;
    private const int MaximumColumns = 128;
    private readonly CoreProductStep step;
    private readonly MemorySource<T> a;
    private readonly long depth;

    public CpuCoreProduct(WorkerPool pool, CoreProductStep step)
        : this(pool, step, new MemorySource<T>(step.A.DType, alongDepth: true, Depth(step)))
    {
    }

    private CpuCoreProduct(WorkerPool pool, CoreProductStep step, MemorySource<T> a)
        : base(
            pool,
            step.OverRows ? "core-product over rows" : "core-product",
            a,
            new GeneratedSource<T>(step.Core, !step.OverRows),
            new ProductResult<T>(step.C, step.OverRows ? step.Core.S : step.Core.R, step.Alpha, addTo: null, bias: null),
            Cut(step, pool.ThreadCount),
            Depth(step))
    {
        this.step = step;
        this.a = a;
        depth = Depth(step);
        pool.Reserve(0, step.Scale is null ? 0 : depth * sizeof(T));
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        a.Address = addresses[step.A.Slot];
        Factors = step.Scale is { } scale ? Storage.Read(addresses[scale.Slot], scale.DType, 0, depth, (T*)Pool.Shared) : null;
        Multiply(addresses);
    }

    private static long Depth(CoreProductStep step) => step.OverRows ? step.Core.R : step.Core.S;

    private static BlockGrid Cut(CoreProductStep step, int threads)
    {
        TileEngine<T> engine = TileEngine<T>.Best;
        long columns = step.OverRows ? step.Core.S : step.Core.R;
        // Only columns are cut for the threads: cutting rows would generate the core again.
        int width = (int)Math.Max(engine.Columns, Math.Min(MaximumColumns, columns / Math.Max(1, threads)));
        return BlockGrid.Cut(step.Tokens, columns, engine.MaximumRows, engine.Columns, MaximumRows, width, 1);
    }
}
