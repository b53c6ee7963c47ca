using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// A Kronecker product of generated factors multiplied out: the factors in shared memory, each turned so that a mode's row is contiguous; a
/// row of the result is the outer product of one row of each.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuKroneckerMatrix<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const long Chunk = 4096;
    private readonly KroneckerMatrixStep step;
    private readonly long[] places;
    private readonly long largest;
    private nint output;

    public CpuKroneckerMatrix(WorkerPool pool, KroneckerMatrixStep step)
        : base(pool, $"kronecker-matrix of {step.Modes.Length}")
    {
        this.step = step;
        places = new long[step.Modes.Length];
        long total = 0;
        for (int m = 0; m < places.Length; m++)
        {
            places[m] = total;
            total = checked(total + Count(step.Modes[m]));
        }

        largest = step.Modes.Max(Count);
        pool.Reserve(sizeof(T) * step.In, checked(sizeof(T) * (total + largest)));
    }

    private T* Factors => (T*)Pool.Shared;

    private long RowsPerItem => Math.Max(1, Chunk / Math.Max(1, step.In));

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        if (step.In == 0 || step.Out == 0)
        {
            return;
        }

        output = addresses[step.Output.Slot];
        T* numbered = Factors + places[^1] + Count(step.Modes[^1]);
        for (int m = 0; m < places.Length; m++)
        {
            Storage.GenerateFactor(Factors + places[m], numbered, step.Factors, step.Modes[m]);
            if (!step.Scales.IsEmpty)
            {
                Scale(Factors + places[m], (T*)addresses[step.Scales[m].Slot], step.Modes[m]);
            }
        }

        Pool.Run(this, 0, Parts(step.Out, RowsPerItem));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long end = Math.Min((item + 1) * RowsPerItem, step.Out);
        for (long row = item * RowsPerItem; row < end; row++)
        {
            T* result = Storage.Target(output, step.Output.DType, row * step.In, (T*)scratch);
            Expand(row, result);
            Storage.Write(result, output, step.Output.DType, row * step.In, step.In);
        }
    }

    private static void Scale(T* factor, T* scale, KroneckerMode mode)
    {
        for (long i = 0; i < Count(mode); i++)
        {
            factor[i] *= scale[i % mode.In];
        }
    }

    private static long Count(KroneckerMode mode) => checked(mode.In * mode.Out);

    /// <summary>One mode after the other, from the back so that the products can stay in place.</summary>
    private void Expand(long row, T* result)
    {
        result[0] = T.CreateTruncating(step.Alpha);
        long length = 1, trailing = step.Out;
        for (int m = 0; m < places.Length; m++)
        {
            KroneckerMode mode = step.Modes[m];
            trailing /= mode.Out;
            T* line = Factors + places[m] + (row / trailing % mode.Out * mode.In);
            for (long i = length - 1; i >= 0; i--)
            {
                T product = result[i];
                for (long j = mode.In - 1; j >= 0; j--)
                {
                    result[(i * mode.In) + j] = product * line[j];
                }
            }

            length *= mode.In;
        }
    }
}
