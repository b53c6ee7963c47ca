using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ActivationStep"/> and <see cref="ActivationGradientStep"/> by kernels/elementwise/activation.cu.</summary>
internal sealed class ActivationLauncher : CompiledStep
{
    private static readonly string[] Entries = ["activation", "activation_gradient"];

    private readonly ActivationKind kind;
    private readonly Operand input;
    private readonly Operand? outputGradient;
    private readonly Operand output;
    private readonly long count;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the forward step.</summary>
    public ActivationLauncher(CudaDevice device, ActivationStep step)
        : this(device, step.Kind, step.Input, null, step.Output, step.Count)
    {
    }

    /// <summary>Prepares the backward step.</summary>
    public ActivationLauncher(CudaDevice device, ActivationGradientStep step)
        : this(device, step.Kind, step.Input, step.OutputGradient, step.InputGradient, step.Count)
    {
    }

    private ActivationLauncher(CudaDevice device, ActivationKind kind, Operand input, Operand? outputGradient, Operand output, long count)
    {
        (this.kind, this.input, this.outputGradient, this.output, this.count) = (kind, input, outputGradient, output, count);
        kernel = device.Kernels.Load(Request(outputGradient is null ? "activation" : "activation_gradient", input.DType));
        blocks = ElementGrid.QuadBlocks(device, kernel, count);
    }

    /// <summary>Every variant of both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from entry in Entries
        from dtype in ElementGrid.DTypes
        select Request(entry, dtype);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({kind}, {input.DType.Label()}, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Input = addresses[input.Slot],
            OutputGradient = outputGradient is { } gradient ? addresses[gradient.Slot] : 0,
            Output = addresses[output.Slot],
            Count = count,
            Kind = (uint)kind,
        };
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
    }

    private static KernelRequest Request(string entry, DType dtype) =>
        new("elementwise/activation.cu", entry, [$"-DTERA_DTYPE={(int)dtype}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Input;
        public nint OutputGradient;
        public nint Output;
        public long Count;
        public uint Kind;
    }
}
