using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Output = f(Input).</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuActivation<T>(WorkerPool pool, ActivationStep step)
    : ElementStep(pool, step.Kind == ActivationKind.Relu ? "relu" : "gelu", step.Count, 2)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private nint input;
    private nint output;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        input = addresses[step.Input.Slot];
        output = addresses[step.Output.Slot];
        Run();
    }

    /// <inheritdoc/>
    protected override void Compute(long first, int length, byte* scratch)
    {
        T* x = Storage.Read(input, step.Input.DType, first, length, Buffer<T>(scratch, 0));
        T* y = Storage.Target(output, step.Output.DType, first, Buffer<T>(scratch, 1));
        if (step.Kind == ActivationKind.Relu)
        {
            Activations.Relu(x, y, length);
        }
        else
        {
            Activations.Gelu(x, y, length);
        }

        Storage.Write(y, output, step.Output.DType, first, length);
    }
}
