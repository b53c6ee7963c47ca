using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="KroneckerMatrixStep"/> by kernels/random/kronecker_matrix.cu.</summary>
internal sealed class KroneckerMatrixLauncher : CompiledStep
{
    // Factors of more floats are not kept in a block's shared memory: generating them would outweigh the block's share of the result.
    private const long MostPlaces = 8192;
    private const int Quad = 4;

    private readonly KroneckerMatrixStep step;
    private readonly Arguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">A dtype or a number of modes that the kernel doesn't take.</exception>
    public KroneckerMatrixLauncher(CudaDevice device, KroneckerMatrixStep step)
    {
        ProductKernels.Require(ElementGrid.DTypes.Contains(step.Output.DType), step.Label, "Output", step.Output.DType, "float32, bfloat16 or float16");
        if (step.Modes.Length > Arguments.MaxModes || Math.Max(step.Out, step.In) > int.MaxValue || step.Modes.Any(mode => mode.In * mode.Out > uint.MaxValue))
        {
            throw new NotSupportedException(
                $"{step.Label}: a {step.Out}×{step.In} matrix of {step.Modes.Length} modes; the CUDA kernel takes at most {Arguments.MaxModes} modes, each of fewer than 2³² numbers, and 2³¹ − 1 rows or columns. Merge modes of length 1.");
        }

        this.step = step;
        prepared = Prepare(step);
        kernel = device.Kernels.Load(Request(step.Output.DType));
        blocks = ElementGrid.Blocks(device, kernel, prepared.Count, ElementGrid.Threads);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => ElementGrid.DTypes.Select(Request);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name} ({step.Output.DType.Label()}, {step.Out}×{step.In}, {step.Modes.Length} modes, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (blocks == 0)
        {
            return;
        }

        Arguments arguments = prepared;
        arguments.Output = addresses[step.Output.Slot];
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, (int)arguments.Places * sizeof(float), stream, overlaps: true);
    }

    private static KernelRequest Request(DType dtype) =>
        new("random/kronecker_matrix.cu", "kronecker_matrix", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static Arguments Prepare(KroneckerMatrixStep step)
    {
        var arguments = new Arguments
        {
            Count = checked(step.Out * step.In),
            Columns = step.In,
            Factors = new RandomSourceArguments(step.Factors, 0),
            Alpha = (float)step.Alpha,
            ModeCount = (uint)step.Modes.Length,
        };
        long places = step.Modes.Sum(Places);
        bool kept = places <= MostPlaces;
        uint place = 0;
        for (int m = 0; m < step.Modes.Length; m++)
        {
            KroneckerMode mode = step.Modes[m];
            arguments.Modes[m] = new Mode
            {
                Stream = mode.Stream,
                In = (uint)mode.In,
                Out = (uint)mode.Out,
                InStep = mode.Contract ? (uint)mode.FactorColumns : 1,
                OutStep = mode.Contract ? 1 : (uint)mode.FactorColumns,
                Place = place,
            };
            place += kept ? (uint)Places(mode) : 0;
        }

        arguments.Places = place;
        return arguments;
    }

    private static long Places(KroneckerMode mode) => checked(ElementGrid.DivideUp(mode.In * mode.Out, Quad) * Quad);

    /// <summary><c>tera::MatrixMode</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Mode
    {
        public uint Stream;
        public uint In;
        public uint Out;
        public uint InStep;
        public uint OutStep;
        public uint Place;
    }

    /// <summary>The table of <see cref="Arguments"/>.</summary>
    [InlineArray(Arguments.MaxModes)]
    internal struct ModeTable
    {
        private Mode first;
    }

    /// <summary>The layout of <c>tera::KroneckerMatrixArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        /// <summary>The length of the kernel's table.</summary>
        public const int MaxModes = 32;

        public nint Output;
        public long Count;
        public long Columns;
        public RandomSourceArguments Factors;
        public float Alpha;
        public uint ModeCount;
        public uint Places;
        public uint Padding;
        public ModeTable Modes;
    }
}
