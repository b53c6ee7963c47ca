using System.Runtime.CompilerServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="VectorMarginalsStep"/> by kernels/elementwise/vectors.cu: a warp for each entry, or a block where sums are long.</summary>
internal sealed class VectorMarginalsLauncher : CompiledStep
{
    private const string File = "elementwise/vectors.cu";
    private const long LongSum = 2048;
    private const int WarpsPerBlock = ElementGrid.Threads / 32;

    private static readonly KernelRequest Short = new(File, "vector_marginals_short", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };
    private static readonly KernelRequest Long = new(File, "vector_marginals_long", []) { ArgumentBytes = Unsafe.SizeOf<VectorsArguments>() };

    private readonly VectorMarginalsStep step;
    private readonly VectorsArguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public VectorMarginalsLauncher(CudaDevice device, VectorMarginalsStep step)
    {
        this.step = step;
        prepared = VectorsArguments.Create(step.Vectors);
        bool wide = prepared.Count > 0 && prepared.Count / step.Vectors.Min(vector => vector.Length) >= LongSum;
        kernel = device.Kernels.Load(wide ? Long : Short);
        // Without terms every sum is zero, and nothing changes.
        blocks = prepared.Count == 0 ? 0 : ElementGrid.Blocks(device, kernel, prepared.Outputs, wide ? 1 : WarpsPerBlock);
    }

    /// <summary>Both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants => [Short, Long];

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Vectors.Length} vectors, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        VectorsArguments arguments = prepared;
        arguments.Bind(step.Vectors, addresses);
        arguments.Full = addresses[step.Full.Slot];
        for (int i = 0; i < step.Gradients.Length; i++)
        {
            arguments.Entries[i].Gradient = addresses[step.Gradients[i].Slot];
        }

        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
    }
}
