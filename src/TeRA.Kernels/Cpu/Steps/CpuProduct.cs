using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>C = alpha·A·diag(scale)·B (+ C) (+ bias): the blocks of C are the items, each summed completely by one thread.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal abstract unsafe class CpuProduct<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly MatrixSource<T> a;
    private readonly MatrixSource<T> b;
    private readonly Operand c;
    private readonly long depth;
    private readonly T alpha;
    private readonly BlockGrid grid;
    private readonly BlockProduct<T> product;
    private nint address;

    /// <summary>Fixes the blocks.</summary>
    protected CpuProduct(WorkerPool pool, string name, MatrixSource<T> a, MatrixSource<T> b, Operand c, BlockGrid grid, long depth, double alpha)
        : base(pool, $"{name} {TileEngine<T>.Best.Name}")
    {
        this.a = a;
        this.b = b;
        this.c = c;
        this.depth = depth;
        this.alpha = T.CreateTruncating(alpha);
        this.grid = grid;
        product = new BlockProduct<T>(grid.BlockRows, grid.BlockColumns);
        pool.Reserve(product.ScratchBytes + (2L * sizeof(T) * grid.BlockColumns), 0);
    }

    /// <summary>Whether C's content is added.</summary>
    protected bool Accumulate { get; init; }

    /// <summary>The bias's dtype.</summary>
    protected DType BiasType { get; init; }

    /// <summary>The bias in this run; 0 for none.</summary>
    protected nint Bias { get; set; }

    /// <summary>The factors along the depth in this run, converted; null for ones.</summary>
    protected T* Factors { get; set; }

    /// <summary>Runs all blocks.</summary>
    protected void Multiply(nint result)
    {
        address = result;
        Pool.Run(this, 0, grid.Count);
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        (long row, int rows, long column, int columns) = grid[item];
        var sums = (T*)scratch;
        product.Run(a, b, row, rows, column, columns, depth, Factors, sums);
        T* buffer = (T*)(scratch + product.ScratchBytes);
        T* bias = Bias == 0 ? null : Storage.Read(Bias, BiasType, column, columns, buffer + columns);
        for (int i = 0; i < rows; i++, sums += product.Pitch)
        {
            Finish(sums, bias, ((row + i) * grid.Columns) + column, columns, buffer);
        }
    }

    /// <summary>One row of a block: factor, old content and bias in this order, then the only rounding to C's dtype.</summary>
    private void Finish(T* sums, T* bias, long first, int columns, T* buffer)
    {
        if (alpha != T.One)
        {
            Vectors.Scale(sums, alpha, columns);
        }

        if (Accumulate)
        {
            Vectors.Add(Storage.Read(address, c.DType, first, columns, buffer), sums, columns);
        }

        if (bias != null)
        {
            Vectors.Add(bias, sums, columns);
        }

        Storage.Write(sums, address, c.DType, first, columns);
    }
}
