using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledAddStep"/> by kernels/elementwise/scaled_add.cu.</summary>
internal sealed class ScaledAddLauncher : CompiledStep
{
    private readonly ScaledAddStep step;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public ScaledAddLauncher(CudaDevice device, ScaledAddStep step)
    {
        this.step = step;
        kernel = device.Kernels.Load(Request(step.A.DType, step.B.DType));
        blocks = ElementGrid.QuadBlocks(device, kernel, step.Count);
    }

    /// <summary>Every variant of the kernel: B has the type of A, or is float32.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in ElementGrid.DTypes
        from other in new[] { DType.Float32, dtype }.Distinct()
        select Request(dtype, other);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.A.DType.Label()} and {step.B.DType.Label()}, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            A = addresses[step.A.Slot],
            B = addresses[step.B.Slot],
            Output = addresses[step.Output.Slot],
            Count = step.Count,
            Alpha = (float)step.Alpha,
        };
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
    }

    private static KernelRequest Request(DType dtype, DType other) =>
        new("elementwise/scaled_add.cu", "scaled_add", [$"-DTERA_DTYPE={(int)dtype}", $"-DTERA_OTHER={(int)other}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint A;
        public nint B;
        public nint Output;
        public long Count;
        public float Alpha;
    }
}
