using System.Runtime.CompilerServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="OuterVectorsStep"/> by kernels/elementwise/vectors.cu, all its products in one launch.</summary>
internal sealed class OuterVectorsLauncher : CompiledStep
{
    private static readonly KernelRequest Request = new("elementwise/vectors.cu", "outer_vectors", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };

    private readonly OuterVectorsStep[] products;
    private readonly VectorsArguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">More vectors or products than a launch takes.</exception>
    public OuterVectorsLauncher(CudaDevice device, OuterVectorsStep step)
    {
        products = [step, .. step.More];
        prepared = VectorsArguments.Create([.. products.Select(product => product.Vectors)]);
        kernel = device.Kernels.Load(Request);
        blocks = ElementGrid.Blocks(device, kernel, products.Max(product => product.Length), ElementGrid.Threads);
    }

    /// <summary>The kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => [Request];

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({string.Join(" and ", products.Select(product => product.Vectors.Length))} vectors, {blocks}×{products.Length} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (blocks == 0)
        {
            return;
        }

        VectorsArguments arguments = prepared;
        for (int i = 0; i < products.Length; i++)
        {
            arguments.Bind(i, products[i].Vectors, addresses);
            arguments.Products[i].Output = addresses[products[i].Output.Slot];
        }

        kernel.Launch(arguments, (blocks, (uint)products.Length, 1), ElementGrid.Threads, 0, stream, overlaps: true);
    }
}
