using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs <see cref="MeanSquaredErrorStep"/> and <see cref="SoftmaxCrossEntropyStep"/> by kernels/elementwise/losses.cu: one launch makes the
/// gradient and partial sums in the workspace, a second one adds those.
/// </summary>
internal abstract class LossLauncher : CompiledStep
{
    private const string File = "elementwise/losses.cu";

    private static readonly string[] Entries = ["mean_squared_error", "cross_entropy_short", "cross_entropy_long", "finish_loss"];

    private readonly CudaKernel kernel;
    private readonly CudaKernel finish;
    private readonly Operand loss;
    private readonly long parts;
    private readonly float divisor;

    private protected LossLauncher(CudaDevice device, string entry, DType dtype, Operand loss, long parts, long divisor)
    {
        kernel = device.Kernels.Load(Request(entry, dtype));
        finish = device.Kernels.Load(Request("finish_loss", dtype));
        (this.loss, this.parts, this.divisor) = (loss, parts, divisor);
    }

    /// <summary>Every variant of the kernels.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from entry in Entries
        from dtype in ElementGrid.DTypes
        select Request(entry, dtype);

    /// <inheritdoc/>
    public override long WorkspaceBytes => parts * sizeof(float);

    /// <inheritdoc/>
    public override int Launches => parts == 0 ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({parts} parts) + {finish.Name}";

    private protected CudaKernel Kernel => kernel;

    private static KernelRequest Request(string entry, DType dtype) => new(File, entry, [$"-DTERA_DTYPE={(int)dtype}"])
    {
        ArgumentBytes = entry switch
        {
            "finish_loss" => Unsafe.SizeOf<FinishArguments>(),
            "mean_squared_error" => MeanSquaredErrorLauncher.ArgumentBytes,
            _ => SoftmaxCrossEntropyLauncher.ArgumentBytes,
        },
    };

    private protected void Finish(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new FinishArguments
        {
            Partial = parts == 0 ? 0 : addresses[Step.WorkspaceSlot],
            Loss = addresses[loss.Slot],
            Parts = parts,
            Divisor = divisor,
        };
        finish.Launch(arguments, (1, 1, 1), ElementGrid.Threads, 0, stream);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct FinishArguments
    {
        public nint Partial;
        public nint Loss;
        public long Parts;
        public float Divisor;
    }
}
