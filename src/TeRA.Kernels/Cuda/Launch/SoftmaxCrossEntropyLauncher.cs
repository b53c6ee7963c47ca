using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="SoftmaxCrossEntropyStep"/>: a warp for each row, or a block where rows are long.</summary>
internal sealed class SoftmaxCrossEntropyLauncher : LossLauncher
{
    private const long LongRow = 1024;
    private const int WarpsPerBlock = ElementGrid.Threads / 32;

    private readonly SoftmaxCrossEntropyStep step;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public SoftmaxCrossEntropyLauncher(CudaDevice device, SoftmaxCrossEntropyStep step)
        : base(device, IsLong(step) ? "cross_entropy_long" : "cross_entropy_short", step.Logits.DType, step.Loss, step.Rows, step.Rows)
    {
        this.step = step;
        blocks = ElementGrid.Blocks(device, Kernel, step.Rows, IsLong(step) ? 1 : WarpsPerBlock);
    }

    /// <summary>Size of the kernel's argument struct.</summary>
    public static int ArgumentBytes => Unsafe.SizeOf<Arguments>();

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (step.Rows > 0)
        {
            var arguments = new Arguments
            {
                Logits = addresses[step.Logits.Slot],
                Labels = addresses[step.LabelsSlot],
                Gradient = step.Gradient is { } gradient ? addresses[gradient.Slot] : 0,
                Partial = addresses[Step.WorkspaceSlot],
                Rows = step.Rows,
                Columns = step.Columns,
                GradientScale = (float)(step.LossScale / step.Rows),
            };
            Kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
        }

        Finish(addresses, stream);
    }

    private static bool IsLong(SoftmaxCrossEntropyStep step) => step.Columns > LongRow;

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Logits;
        public nint Labels;
        public nint Gradient;
        public nint Partial;
        public long Rows;
        public long Columns;
        public float GradientScale;
    }
}
