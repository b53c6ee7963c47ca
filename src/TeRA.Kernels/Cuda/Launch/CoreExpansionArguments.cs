using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>The layout of <c>tera::gemm::CoreExpansionArguments</c> in kernels/gemm/core_expansion.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CoreExpansionArguments
{
    /// <summary>The scale of the dimension that the first mode contracts, in <see cref="Scales"/>.</summary>
    public const int Inner = 0;

    /// <summary>That of the other dimension.</summary>
    public const int Outer = 1;

    /// <summary>Shared memory of a block: the kernel's <c>ExpansionMemory</c>.</summary>
    public const int SharedBytes = sizeof(float) * ((Depth * Places) + (BlockOuts * Depth) + Places + (Depth * (Places + 4)));

    // Places are numbered in 31 bits, with some to spare.
    private const long Most = 1 << 30;

    private const int Places = 128;
    private const int QuadColumns = 4;
    private const int QuadRows = Places / QuadColumns;
    private const int Depth = 8;
    private const int BlockOuts = 48;

    public nint Output;
    public CoreArguments Core;
    public RandomSourceArguments Factor;
    public DiagonalPair Scales;
    public long Rest;
    public int In;
    public int Out;
    public int InStep;
    public int OutStep;
    public float Alpha;
    public int OverColumns;
    public WideDivisor Columns;
    public WideDivisor Across;
    public WideDivisor PlaceBlocks;
    public uint Blocks;

    /// <summary>Everything but the scales and the addresses.</summary>
    /// <exception cref="NotSupportedException">A dtype or size that the kernel doesn't take.</exception>
    public static CoreExpansionArguments Create(CoreExpansionStep step)
    {
        ProductKernels.Require(ElementGrid.DTypes.Contains(step.Output.DType), step.Label, "Output", step.Output.DType, "float32, bfloat16 or float16");
        ProductKernels.Require(step.RowScale is null or { DType: DType.Float32 }, step.Label, "RowScale", step.RowScale?.DType ?? DType.Float32, "float32");
        ProductKernels.Require(step.ColumnScale is null or { DType: DType.Float32 }, step.Label, "ColumnScale", step.ColumnScale?.DType ?? DType.Float32, "float32");
        KroneckerMode first = step.First;
        long rest = (step.OverColumns ? step.Core.S : step.Core.R) / first.In, across = ElementGrid.DivideUp(step.Core.R, QuadRows);
        if (Math.Max(Math.Max(step.Core.R, step.Core.S), Math.Max(first.In, first.Out)) > Most || Math.Max(rest, 1) > Most / Math.Max(1, step.Columns))
        {
            throw new NotSupportedException(
                $"{step.Label}: a core of {step.Core.R}×{step.Core.S} with a first mode of {first.In} → {first.Out}; the CUDA kernel takes lengths of at most 2³⁰, and as many numbers for each of the first mode's.");
        }

        long places = step.OverColumns ? ElementGrid.DivideUp(rest, QuadColumns) * across : ElementGrid.DivideUp(rest * step.Core.S, Places);
        return new CoreExpansionArguments
        {
            Core = new CoreArguments(step.Core),
            Factor = new RandomSourceArguments(step.Factors, first.Stream),
            Rest = rest,
            In = (int)first.In,
            Out = (int)first.Out,
            InStep = checked((int)first.InStep),
            OutStep = checked((int)first.OutStep),
            Alpha = (float)step.Alpha,
            OverColumns = step.OverColumns ? 1 : 0,
            Columns = new WideDivisor(step.Core.S),
            Across = new WideDivisor(across),
            PlaceBlocks = new WideDivisor(places),
            Blocks = checked((uint)(int)(places * ElementGrid.DivideUp(first.Out, BlockOuts))),
        };
    }

    /// <summary>Both scales.</summary>
    [InlineArray(2)]
    internal struct DiagonalPair
    {
        private Diagonal first;
    }
}
