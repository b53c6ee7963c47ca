using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ConvertStep"/> by kernels/elementwise/convert.cu.</summary>
internal sealed class ConvertLauncher : CompiledStep
{
    private readonly ConvertStep step;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public ConvertLauncher(CudaDevice device, ConvertStep step)
    {
        this.step = step;
        kernel = device.Kernels.Load(Request(step.Input.DType, step.Output.DType));
        blocks = ElementGrid.QuadBlocks(device, kernel, step.Count);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from input in ElementGrid.DTypes
        from output in ElementGrid.DTypes
        select Request(input, output);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Input.DType.Label()} to {step.Output.DType.Label()}, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments { Input = addresses[step.Input.Slot], Output = addresses[step.Output.Slot], Count = step.Count };
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream, overlaps: true);
    }

    private static KernelRequest Request(DType input, DType output) =>
        new("elementwise/convert.cu", "convert_elements", [$"-DTERA_INPUT={(int)input}", $"-DTERA_OUTPUT={(int)output}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Input;
        public nint Output;
        public long Count;
    }
}
