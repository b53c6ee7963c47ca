using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>A whole factor, generated, scaled in float32 and rounded once.</summary>
internal sealed unsafe class CpuFillRandom(WorkerPool pool, FillRandomStep step)
    : ElementStep(pool, "fill-random", checked(step.Core.R * step.Core.S), 1)
{
    private readonly float scale = (float)step.Scale;
    private nint output;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        output = addresses[step.Output.Slot];
        Run();
    }

    /// <inheritdoc/>
    protected override void Compute(long first, int length, byte* scratch)
    {
        float* values = Storage.Target(output, step.Output.DType, first, Buffer<float>(scratch, 0));
        Storage.Generate(values, step.Core.Source, step.Core.Stream, first, length);
        if (scale != 1)
        {
            Vectors.Scale(values, scale, length);
        }

        Storage.Write(values, output, step.Output.DType, first, length);
    }
}
