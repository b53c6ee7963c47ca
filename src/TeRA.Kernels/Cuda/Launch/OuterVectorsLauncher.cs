using System.Runtime.CompilerServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="OuterVectorsStep"/> by kernels/elementwise/vectors.cu.</summary>
internal sealed class OuterVectorsLauncher : CompiledStep
{
    private static readonly KernelRequest Request = new("elementwise/vectors.cu", "outer_vectors", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };

    private readonly OuterVectorsStep step;
    private readonly VectorsArguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public OuterVectorsLauncher(CudaDevice device, OuterVectorsStep step)
    {
        this.step = step;
        prepared = VectorsArguments.Create(step.Vectors);
        kernel = device.Kernels.Load(Request);
        blocks = ElementGrid.Blocks(device, kernel, prepared.Count, ElementGrid.Threads);
    }

    /// <summary>The kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => [Request];

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Vectors.Length} vectors, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        VectorsArguments arguments = prepared;
        arguments.Bind(step.Vectors, addresses);
        arguments.Output = addresses[step.Output.Slot];
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
    }
}
