using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The dense product for a few rows, where packing B would cost more than using it: B is streamed once, in the order in which it lies
/// in memory. An item is a run of columns of C.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuThinProduct<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Most rows that this way is quicker for.</summary>
    public const int MaximumRows = 2;

    private const int DotColumns = 32;
    private const int SumColumns = 1024;
    private const int DepthBlock = 256;
    private readonly MatrixProductStep step;
    private readonly ProductResult<T> result;
    private readonly MemorySource<T> b;
    private readonly int rows;
    private readonly int columns;

    public CpuThinProduct(WorkerPool pool, MatrixProductStep step)
        : base(pool, "thin product")
    {
        this.step = step;
        rows = (int)step.M;
        bool alongDepth = step.LayoutB == Layout.Transposed;
        columns = alongDepth ? DotColumns : SumColumns;
        result = new ProductResult<T>(step.C, step.N, step.Alpha, step.AddTo, step.Bias);
        b = new MemorySource<T>(step.B.DType, alongDepth, alongDepth ? step.K : step.N);
        pool.Reserve(
            sizeof(T) * (((2L * rows) + 2) * columns + DepthBlock),
            sizeof(T) * 2 * step.M * step.K);
    }

    /// <summary>A in the order of the formula and converted.</summary>
    private T* A => (T*)Pool.Shared;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        LoadA(addresses[step.A.Slot]);
        b.Address = addresses[step.B.Slot];
        result.Bind(addresses);
        Pool.Run(this, 0, rows == 0 ? 0 : Parts(step.N, columns));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long first = item * columns;
        int count = (int)Math.Min(columns, step.N - first);
        T* sums = (T*)scratch, block = sums + ((long)rows * columns), line = block + ((long)rows * columns);
        new Span<T>(sums, rows * columns).Clear();
        if (b.AlongDepth)
        {
            for (int column = 0; column < count; column++)
            {
                Dots(first + column, sums + column, line);
            }
        }
        else
        {
            for (long k = 0; k < step.K; k += DepthBlock)
            {
                Combinations(first, count, k, (int)Math.Min(DepthBlock, step.K - k), block, line);
                Vectors.Add(block, sums, (long)rows * columns);
            }
        }

        for (int row = 0; row < rows; row++)
        {
            result.Finish(sums + ((long)row * columns), row, first, count, line);
        }
    }

    /// <summary>B's lines run along the depth: a column of C is a dot product for each row.</summary>
    private void Dots(long column, T* sums, T* buffer)
    {
        for (long k = 0; k < step.K; k += DepthBlock)
        {
            int depth = (int)Math.Min(DepthBlock, step.K - k);
            T* line = b.Line(column, k, depth, buffer);
            for (int row = 0; row < rows; row++)
            {
                sums[(long)row * columns] += Vectors.Dot(A + (row * step.K) + k, line, depth);
            }
        }
    }

    /// <summary>B's lines run along the columns: each is added to all rows, times its element of A.</summary>
    private void Combinations(long first, int count, long k, int depth, T* sums, T* buffer)
    {
        new Span<T>(sums, rows * columns).Clear();
        for (int i = 0; i < depth; i++)
        {
            T* line = b.Line(k + i, first, count, buffer);
            for (int row = 0; row < rows; row++)
            {
                T* target = sums + ((long)row * columns);
                Vectors.AddScaled(target, line, A[(row * step.K) + k + i], target, count);
            }
        }
    }

    private void LoadA(nint address)
    {
        if (step.LayoutA == Layout.Normal)
        {
            Storage.Load(address, step.A.DType, 0, step.M * step.K, A);
            return;
        }

        T* transposed = Storage.Read(address, step.A.DType, 0, step.M * step.K, A + (step.M * step.K));
        for (long k = 0; k < step.K; k++)
        {
            for (long row = 0; row < rows; row++)
            {
                A[(row * step.K) + k] = transposed[(k * rows) + row];
            }
        }
    }
}
