using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="MeanSquaredErrorStep"/>.</summary>
internal sealed class MeanSquaredErrorLauncher(CudaDevice device, MeanSquaredErrorStep step) : LossLauncher(
    device,
    "mean_squared_error",
    step.Prediction.DType,
    step.Loss,
    ElementGrid.DivideUp(Count(step), Part(Count(step))),
    Count(step))
{
    private const long MinPart = 4096;
    private const long MaxParts = 1024;

    /// <summary>Size of the kernel's argument struct.</summary>
    public static int ArgumentBytes => Unsafe.SizeOf<Arguments>();

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        long count = Count(step), part = Part(count);
        if (count > 0)
        {
            var arguments = new Arguments
            {
                Prediction = addresses[step.Prediction.Slot],
                Target = addresses[step.Target.Slot],
                Gradient = step.Gradient is { } gradient ? addresses[gradient.Slot] : 0,
                Partial = addresses[Step.WorkspaceSlot],
                Count = count,
                Part = part,
                GradientScale = (float)(2 * step.LossScale / count),
            };
            Kernel.Launch(arguments, ((uint)ElementGrid.DivideUp(count, part), 1, 1), ElementGrid.Threads, 0, stream);
        }

        Finish(addresses, stream);
    }

    private static long Count(MeanSquaredErrorStep step) => checked(step.Rows * step.Columns);

    /// <summary>Elements of a block: by their number alone, so that the sum's order is; a multiple of 4.</summary>
    private static long Part(long count) => Math.Max(MinPart, 4 * ElementGrid.DivideUp(count, 4 * MaxParts));

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Prediction;
        public nint Target;
        public nint Gradient;
        public nint Partial;
        public long Count;
        public long Part;
        public float GradientScale;
    }
}
