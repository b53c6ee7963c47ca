using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>InputGradient = OutputGradient·f'(Input), also in place.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuActivationGradient<T>(WorkerPool pool, ActivationGradientStep step)
    : ElementStep(pool, step.Kind == ActivationKind.Relu ? "relu-gradient" : "gelu-gradient", step.Count, 3)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private nint input;
    private nint outputGradient;
    private nint inputGradient;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        input = addresses[step.Input.Slot];
        outputGradient = addresses[step.OutputGradient.Slot];
        inputGradient = addresses[step.InputGradient.Slot];
        Run();
    }

    /// <inheritdoc/>
    protected override void Compute(long first, int length, byte* scratch)
    {
        T* x = Storage.Read(input, step.Input.DType, first, length, Buffer<T>(scratch, 0));
        T* dy = Storage.Read(outputGradient, step.OutputGradient.DType, first, length, Buffer<T>(scratch, 1));
        T* dx = Storage.Target(inputGradient, step.InputGradient.DType, first, Buffer<T>(scratch, 2));
        if (step.Kind == ActivationKind.Relu)
        {
            Activations.ReluGradient(x, dy, dx, length);
        }
        else
        {
            Activations.GeluGradient(x, dy, dx, length);
        }

        Storage.Write(dx, inputGradient, step.InputGradient.DType, first, length);
    }
}
