using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Output = A + alpha·B.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuScaledAdd<T>(WorkerPool pool, ScaledAddStep step) : ElementStep(pool, "scaled-add", step.Count, 3)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly T alpha = T.CreateTruncating(step.Alpha);
    private nint a;
    private nint b;
    private nint output;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        a = addresses[step.A.Slot];
        b = addresses[step.B.Slot];
        output = addresses[step.Output.Slot];
        Run();
    }

    /// <inheritdoc/>
    protected override void Compute(long first, int length, byte* scratch)
    {
        T* result = Storage.Target(output, step.Output.DType, first, Buffer<T>(scratch, 2));
        Vectors.AddScaled(
            Storage.Read(a, step.A.DType, first, length, Buffer<T>(scratch, 0)),
            Storage.Read(b, step.B.DType, first, length, Buffer<T>(scratch, 1)),
            alpha,
            result,
            length);
        Storage.Write(result, output, step.Output.DType, first, length);
    }
}
