using System.Runtime.CompilerServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs <see cref="VectorMarginalsStep"/> by kernels/elementwise/vectors.cu, all its products in one launch: a warp for each entry, or a block
/// where sums are long.
/// </summary>
internal sealed class VectorMarginalsLauncher : CompiledStep
{
    private const string File = "elementwise/vectors.cu";
    private const long LongSum = 64; // a round through memory takes longer than the sum over a block
    private const int WarpsPerBlock = ElementGrid.Threads / 32;

    private static readonly KernelRequest Short = new(File, "vector_marginals_short", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };
    private static readonly KernelRequest Long = new(File, "vector_marginals_long", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };

    private readonly VectorMarginalsStep[] products;
    private readonly VectorsArguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">More vectors or products than a launch takes.</exception>
    public VectorMarginalsLauncher(CudaDevice device, VectorMarginalsStep step)
    {
        products = [step, .. step.More];
        prepared = VectorsArguments.Create([.. products.Select(product => product.Vectors)]);
        VectorMarginalsStep[] summed = [.. products.Where(product => product.Length > 0)];
        bool wide = summed.Any(product => product.Length / product.Vectors.Min(vector => vector.Length) >= LongSum);
        kernel = device.Kernels.Load(wide ? Long : Short);
        long outputs = summed.Select(product => product.Vectors.Sum(vector => vector.Length)).DefaultIfEmpty(0).Max();
        blocks = ElementGrid.Blocks(device, kernel, outputs, wide ? 1 : WarpsPerBlock);
    }

    /// <summary>Both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants => [Short, Long];

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
            arguments.Products[i].Full = addresses[products[i].Full.Slot];
            int first = (int)arguments.Products[i].First;
            for (int n = 0; n < products[i].Gradients.Length; n++)
            {
                arguments.Entries[first + n].Gradient = addresses[products[i].Gradients[n].Slot];
            }
        }

        kernel.Launch(arguments, (blocks, (uint)products.Length, 1), ElementGrid.Threads, 0, stream, overlaps: true);
    }
}
