using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>The mean squared error and its gradient; each chunk's sum is kept and they are added in order, in float64.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuMeanSquaredError<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Chunk = 4096;
    private const int ShortSum = 128;
    private readonly MeanSquaredErrorStep step;
    private readonly long count;
    private readonly T slope;
    private nint prediction;
    private nint target;
    private nint gradient;

    public CpuMeanSquaredError(WorkerPool pool, MeanSquaredErrorStep step)
        : base(pool, "mean-squared-error")
    {
        this.step = step;
        count = checked(step.Rows * step.Columns);
        slope = count == 0 ? T.Zero : T.CreateTruncating(2 * step.LossScale / count);
        pool.Reserve(3L * Chunk * sizeof(T), sizeof(double) * Parts(count, Chunk));
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        prediction = addresses[step.Prediction.Slot];
        target = addresses[step.Target.Slot];
        gradient = Optional(addresses, step.Gradient);
        long parts = Parts(count, Chunk);
        Pool.Run(this, 0, parts);
        double loss = 0;
        for (long i = 0; i < parts; i++)
        {
            loss += ((double*)Pool.Shared)[i];
        }

        loss = count == 0 ? 0 : loss / count;
        Storage.Write(&loss, addresses[step.Loss.Slot], step.Loss.DType, 0, 1);
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long first = item * Chunk;
        int length = (int)Math.Min(Chunk, count - first);
        T* difference = (T*)scratch, x = difference + Chunk, t = x + Chunk;
        Vectors.AddScaled(
            Storage.Read(prediction, step.Prediction.DType, first, length, x),
            Storage.Read(target, step.Target.DType, first, length, t),
            -T.One,
            difference,
            length);
        ((double*)Pool.Shared)[item] = SumOfSquares(difference, length);
        if (gradient != 0)
        {
            Vectors.Scale(difference, slope, length);
            Storage.Write(difference, gradient, step.Gradient!.Value.DType, first, length);
        }
    }

    private static double SumOfSquares(T* values, int length)
    {
        double sum = 0;
        for (int i = 0; i < length; i += ShortSum)
        {
            sum += double.CreateTruncating(Vectors.Dot(values + i, values + i, Math.Min(ShortSum, length - i)));
        }

        return sum;
    }
}
