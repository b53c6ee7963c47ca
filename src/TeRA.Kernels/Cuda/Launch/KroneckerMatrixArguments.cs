using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>The layout of <c>tera::KroneckerMatrix</c> in kernels/gemm/kronecker_matrix.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KroneckerMatrix
{
    // Factors of more floats are not kept in a block's shared memory: generating them would outweigh the block's share of the result.
    private const long MostPlaces = 8192;
    private const int Quad = 4;

    public nint Output;
    public RandomSourceArguments Factors;
    public uint Count;
    public WideDivisor Columns;
    public float Alpha;
    public uint ModeCount;
    public uint Places;
    public uint LastApart;

    /// <summary>Shared memory of a block.</summary>
    public readonly int SharedBytes => (int)Places * sizeof(float);

    /// <summary>Everything but addresses, and the modes' part of the table.</summary>
    /// <param name="step">The matrix.</param>
    /// <param name="modes">As many places as it has modes.</param>
    /// <exception cref="NotSupportedException">A dtype or a number of modes that the kernel doesn't take.</exception>
    public static KroneckerMatrix Create(KroneckerMatrixStep step, Span<MatrixMode> modes)
    {
        ProductKernels.Require(ElementGrid.DTypes.Contains(step.Output.DType), step.Label, "Output", step.Output.DType, "float32, bfloat16 or float16");
        if (step.Modes.Length > modes.Length || checked(step.Out * step.In) > int.MaxValue)
        {
            throw new NotSupportedException(
                $"{step.Label}: a {step.Out}×{step.In} matrix of {step.Modes.Length} modes; the CUDA kernel takes at most {modes.Length} modes and 2³¹ − 1 numbers. Merge modes of length 1.");
        }

        var matrix = new KroneckerMatrix
        {
            Count = (uint)(step.Out * step.In),
            Columns = new WideDivisor(step.In),
            Factors = new RandomSourceArguments(step.Factors, 0),
            Alpha = (float)step.Alpha,
            ModeCount = (uint)step.Modes.Length,
        };
        bool kept = step.Modes.Sum(PlacesOf) <= MostPlaces;
        for (int m = 0; m < step.Modes.Length; m++)
        {
            modes[m] = new MatrixMode(step.Modes[m], matrix.Places);
            matrix.Places += kept ? (uint)PlacesOf(step.Modes[m]) : 0;
        }

        return matrix;
    }

    /// <summary>Where the modes' scales are.</summary>
    public static void Bind(KroneckerMatrixStep step, Span<MatrixMode> modes, ReadOnlySpan<nint> addresses)
    {
        for (int m = 0; m < step.Scales.Length; m++)
        {
            modes[m].Scale = addresses[step.Scales[m].Slot];
        }
    }

    private static long PlacesOf(KroneckerMode mode) => checked(ElementGrid.DivideUp(mode.In * mode.Out, Quad) * Quad);
}

/// <summary><c>tera::MatrixMode</c>.</summary>
/// <param name="mode">The mode.</param>
/// <param name="place">Of its factor in shared memory.</param>
[StructLayout(LayoutKind.Sequential)]
internal struct MatrixMode(KroneckerMode mode, uint place)
{
    public readonly uint Stream = mode.Stream;
    public readonly WideDivisor In = new(mode.In);
    public readonly WideDivisor Out = new(mode.Out);
    public readonly uint InStep = (uint)mode.InStep;
    public readonly uint OutStep = (uint)mode.OutStep;
    public readonly uint Place = place;
    public nint Scale;
}

/// <summary>The layout of <c>tera::KroneckerMatrixArguments</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KroneckerMatrixArguments
{
    /// <summary>The length of the kernel's table.</summary>
    public const int MaxModes = 32;

    public KroneckerMatrix Matrix;
    public MatrixModeTable Modes;

    /// <summary>The table of modes.</summary>
    [InlineArray(MaxModes)]
    internal struct MatrixModeTable
    {
        private MatrixMode first;
    }
}
