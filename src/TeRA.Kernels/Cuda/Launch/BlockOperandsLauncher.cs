using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs <see cref="BlockOperandsStep"/>, or its parts alone, by kernels/gemm/block_operands.cu. Diagonals that the kernel can't multiply itself get a launch
/// of their own before it.
/// </summary>
internal sealed class BlockOperandsLauncher : CompiledStep
{
    private const int Threads = 288;

    // In which a block's shared memory is given out.
    private const int SharedUnit = 128;

    // Numbers of F or of a diagonal that a thread makes: eight at a time, and no more than twice so that these blocks end no later than M's.
    private const int LeastNumbers = 8;
    private const int MostNumbers = 16;

    // Beyond it, a processor holds no more registers.
    private const int MostBlocksPerProcessor = 2;

    private readonly CoreExpansionStep? core;
    private readonly KroneckerMatrixStep? modes;
    private readonly OuterVectorsLauncher? before;

    // The scales' vectors, by their place in the arguments: one, the whole diagonal, where it is in memory; none for ones.
    private readonly ImmutableArray<VectorOperand>[] vectors = [[], []];
    private readonly Operand?[] written = new Operand?[2];
    private readonly Arguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint otherBlocks;
    private readonly int sharedBytes;

    /// <summary>Prepares all parts.</summary>
    /// <exception cref="NotSupportedException">Dtypes or sizes that the kernel doesn't take.</exception>
    public BlockOperandsLauncher(CudaDevice device, BlockOperandsStep step)
        : this(device, step.Diagonals, step.Modes, step.Core)
    {
    }

    /// <summary>Prepares the core's expansion alone.</summary>
    /// <exception cref="NotSupportedException">Dtypes or sizes that the kernel doesn't take.</exception>
    public BlockOperandsLauncher(CudaDevice device, CoreExpansionStep step)
        : this(device, null, null, step)
    {
    }

    /// <summary>Prepares a Kronecker matrix alone.</summary>
    /// <exception cref="NotSupportedException">A dtype or a number of modes that the kernel doesn't take.</exception>
    public BlockOperandsLauncher(CudaDevice device, KroneckerMatrixStep step)
        : this(device, null, step, null)
    {
    }

    private BlockOperandsLauncher(CudaDevice device, OuterVectorsStep? diagonals, KroneckerMatrixStep? modes, CoreExpansionStep? core)
    {
        (this.core, this.modes) = (core, modes);
        if (core is not null)
        {
            ProductKernels.Require(modes is null || modes.Output.DType == core.Output.DType, core.Label, "Output", core.Output.DType, "that of the modes' matrix");
            OuterVectorsStep[] products = diagonals is null ? [] : [diagonals, .. diagonals.More];
            bool taken = products.All(product => Takes(core, product));
            before = taken ? null : new OuterVectorsLauncher(device, diagonals!);
            prepared.Expansion = Expansion(core, taken ? products : []);
        }

        if (modes is not null)
        {
            prepared.Matrix.Matrix = KroneckerMatrix.Create(modes, prepared.Matrix.Modes);
        }

        int leastBytes = Math.Max(core is null ? 0 : CoreExpansionArguments.SharedBytes, prepared.Matrix.Matrix.SharedBytes);
        (otherBlocks, sharedBytes) = Spread(prepared.Expansion.Blocks, OtherNumbers, leastBytes, device.Traits);
        kernel = device.Kernels.Load(Request((core?.Output ?? modes!.Output).DType));
        kernel.AllowSharedMemory(sharedBytes);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => ElementGrid.DTypes.Select(Request);

    /// <inheritdoc/>
    public override int Launches => (before?.Launches ?? 0) + (Blocks == 0 ? 0 : 1);

    /// <inheritdoc/>
    public override string Description => (before is null ? "" : $"{before.Description} + ") + $"{kernel.Name} ({string.Join("; ", Parts)})";

    private uint Blocks => prepared.Expansion.Blocks + otherBlocks;

    // Of F and the diagonals that are written.
    private long OtherNumbers
    {
        get
        {
            long count = prepared.Matrix.Matrix.Count;
            for (int i = 0; i < written.Length; i++)
            {
                count += written[i] is null ? 0 : prepared.Expansion.Scales[i].Count;
            }

            return count;
        }
    }

    private IEnumerable<string> Parts
    {
        get
        {
            yield return (core?.Output ?? modes!.Output).DType.Label();
            if (core is not null)
            {
                yield return $"{(core.OverColumns ? "columns" : "rows")}, {core.First.In} → {core.First.Out}, {prepared.Expansion.Blocks} blocks";
            }

            if (modes is not null)
            {
                yield return $"{modes.Out}×{modes.In} of {modes.Modes.Length} modes";
            }

            if (written[0] is not null || written[1] is not null)
            {
                yield return $"{vectors[0].Length} and {vectors[1].Length} vectors";
            }

            if (otherBlocks > 0)
            {
                yield return $"{otherBlocks} more blocks";
            }
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        before?.Run(addresses, stream);
        if (Blocks == 0)
        {
            return;
        }

        Arguments arguments = prepared;
        arguments.Matrix.Matrix.Output = ProductKernels.At(addresses, modes?.Output);
        if (modes is not null)
        {
            KroneckerMatrix.Bind(modes, arguments.Matrix.Modes, addresses);
        }

        arguments.Expansion.Output = ProductKernels.At(addresses, core?.Output);
        for (int i = 0; i < vectors.Length; i++)
        {
            ref Diagonal scale = ref arguments.Expansion.Scales[i];
            scale.Bind(vectors[i], addresses);
            scale.Output = ProductKernels.At(addresses, written[i]);
        }

        kernel.Launch(arguments, (Blocks, 1, 1), Threads, sharedBytes, stream, overlaps: true);
    }

    /// <summary>
    /// How many blocks all but M gets, and shared memory with which a processor holds only its share of the blocks: they start where the kernel before ends
    /// first, and would crowd there.
    /// </summary>
    /// <param name="coreBlocks">M's.</param>
    /// <param name="numbers">Of F and the diagonals.</param>
    /// <param name="leastBytes">What the blocks need.</param>
    /// <param name="traits">The device.</param>
    internal static (uint OtherBlocks, int SharedBytes) Spread(uint coreBlocks, long numbers, int leastBytes, DeviceTraits traits)
    {
        long least = ElementGrid.DivideUp(numbers, Threads * MostNumbers), wanted = ElementGrid.DivideUp(numbers, Threads * LeastNumbers);
        long perProcessor = ElementGrid.DivideUp(coreBlocks + least, traits.Processors);
        uint others = (uint)Math.Clamp((perProcessor * traits.Processors) - coreBlocks, least, wanted);
        long share = perProcessor is 0 or > MostBlocksPerProcessor ? 0 : ((traits.SharedMemoryBytes + CudaTraits.ReservedSharedBytes) / perProcessor) - CudaTraits.ReservedSharedBytes;
        return (others, (int)Math.Max(leastBytes, share / SharedUnit * SharedUnit));
    }

    private static KernelRequest Request(DType dtype) =>
        new("gemm/block_operands.cu", "block_operands", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    /// <summary>Whether the kernel multiplies a diagonal's vectors itself: few enough, and for a scale of M.</summary>
    private static bool Takes(CoreExpansionStep core, OuterVectorsStep product) =>
        Diagonal.Takes(product) && (product.Output == core.RowScale || product.Output == core.ColumnScale);

    /// <summary>M's arguments with its scales, which are those of <paramref name="products"/> or lie in memory.</summary>
    private CoreExpansionArguments Expansion(CoreExpansionStep step, OuterVectorsStep[] products)
    {
        CoreExpansionArguments arguments = CoreExpansionArguments.Create(step);
        int rows = step.OverColumns ? CoreExpansionArguments.Outer : CoreExpansionArguments.Inner;
        arguments.Scales[rows] = Scale(rows, step.RowScale, step.Core.R, products);
        arguments.Scales[1 - rows] = Scale(1 - rows, step.ColumnScale, step.Core.S, products);
        return arguments;
    }

    private Diagonal Scale(int place, Operand? scale, long count, OuterVectorsStep[] products)
    {
        OuterVectorsStep? product = Array.Find(products, candidate => candidate.Output == scale);
        vectors[place] = product?.Vectors ?? (scale is { } whole ? [new VectorOperand(whole, count)] : []);
        written[place] = product?.Output;
        return Diagonal.Of(vectors[place]);
    }

    /// <summary>The layout of <c>tera::gemm::BlockOperandsArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public CoreExpansionArguments Expansion;
        public KroneckerMatrixArguments Matrix;
    }
}
