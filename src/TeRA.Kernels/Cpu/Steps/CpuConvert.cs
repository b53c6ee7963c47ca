using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Another dtype, rounded once: through float, or through double where either side is float64.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuConvert<T>(WorkerPool pool, ConvertStep step) : ElementStep(pool, "convert", step.Count, 1)
    where T : unmanaged
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
    protected override void Compute(long first, int length, byte* scratch) =>
        Storage.Write(
            Storage.Read(input, step.Input.DType, first, length, Buffer<T>(scratch, 0)), output, step.Output.DType, first, length);
}
