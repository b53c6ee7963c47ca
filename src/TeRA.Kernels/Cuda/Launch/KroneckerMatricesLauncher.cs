using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs <see cref="KroneckerMatricesStep"/> by kernels/gemm/kronecker_matrices.cu. Numbers are those that kernels/kronecker/wgmma_modes.cu makes for itself: in
/// the distribution's units, multiplied in its order. Diagonals that the kernel can't multiply get a launch of their own before it.
/// </summary>
internal sealed class KroneckerMatricesLauncher : CompiledStep
{
    private const int MaxMatrices = 8;
    private const int MaxModes = KroneckerMatrixArguments.MaxModes;
    private const int Threads = 256;

    // Numbers that a thread makes side by side.
    private const int Numbers = 8;

    // wgmma_modes makes eight neighbours at once where the last mode has them together.
    private const int Neighbours = 8;
    private const int MaxDiagonals = 2;

    private readonly KroneckerMatricesStep step;
    private readonly ImmutableArray<OuterVectorsStep> diagonals = [];
    private readonly OuterVectorsLauncher? before;
    private readonly Arguments prepared;
    private readonly CudaKernel kernel;
    private readonly uint blocks;
    private readonly int sharedBytes;

    /// <summary>Prepares the launch.</summary>
    /// <exception cref="NotSupportedException">Dtypes or sizes that the kernel doesn't take.</exception>
    public KroneckerMatricesLauncher(CudaDevice device, KroneckerMatricesStep step)
    {
        this.step = step;
        if (!Takes(step.Matrices))
        {
            throw new NotSupportedException($"{step.Label}: {step.Matrices.Length} matrices; one launch makes at most {MaxMatrices}, of {MaxModes} modes together. Make them in two steps.");
        }

        DType dtype = step.Matrices[0].Output.DType;
        Span<MatrixMode> modes = prepared.Modes;
        for (int m = 0; m < step.Matrices.Length; m++)
        {
            KroneckerMatrixStep matrix = step.Matrices[m];
            ProductKernels.Require(matrix.Output.DType == dtype, matrix.Label, "Output", matrix.Output.DType, "that of the other matrices");
            Placed placed = Place(matrix, modes) with { FirstMode = (uint)(MaxModes - modes.Length), FirstBlock = blocks };
            prepared.Matrices[m] = placed;
            modes = modes[matrix.Modes.Length..];
            blocks += (uint)Math.Max(1, ElementGrid.DivideUp(placed.Matrix.Count, Threads * Numbers));
            sharedBytes = Math.Max(sharedBytes, placed.Matrix.SharedBytes);
        }

        prepared.Count = (uint)step.Matrices.Length;
        prepared.DiagonalBlock = blocks;
        ImmutableArray<OuterVectorsStep> products = step.Diagonals is null ? [] : [step.Diagonals, .. step.Diagonals.More];
        if (products.Length <= MaxDiagonals && products.All(Diagonal.Takes))
        {
            diagonals = products;
            for (int i = 0; i < products.Length; i++)
            {
                prepared.Diagonals[i] = Diagonal.Of(products[i].Vectors);
            }

            blocks += (uint)ElementGrid.DivideUp(products.Sum(product => product.Length), Threads * Numbers);
        }
        else
        {
            before = new OuterVectorsLauncher(device, step.Diagonals!);
        }

        kernel = device.Kernels.Load(Request(dtype));
        kernel.AllowSharedMemory(sharedBytes);
    }

    /// <summary>Whether one launch makes all of these.</summary>
    public static bool Takes(ImmutableArray<KroneckerMatrixStep> matrices) => matrices.Length <= MaxMatrices && matrices.Sum(matrix => matrix.Modes.Length) <= MaxModes;

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => ElementGrid.DTypes.Select(Request);

    /// <inheritdoc/>
    public override int Launches => (before?.Launches ?? 0) + 1;

    /// <inheritdoc/>
    public override string Description =>
        (before is null ? "" : $"{before.Description} + ")
        + $"{kernel.Name} ({step.Matrices[0].Output.DType.Label()}, {string.Join(", ", step.Matrices.Select(matrix => $"{matrix.Out}×{matrix.In}"))}{(diagonals.IsEmpty ? "" : $", {diagonals.Length} diagonals")}, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        before?.Run(addresses, stream);
        Arguments arguments = prepared;
        Span<MatrixMode> modes = arguments.Modes;
        for (int m = 0; m < step.Matrices.Length; m++)
        {
            KroneckerMatrixStep matrix = step.Matrices[m];
            arguments.Matrices[m].Matrix.Output = addresses[matrix.Output.Slot];
            KroneckerMatrix.Bind(matrix, modes, addresses);
            modes = modes[matrix.Modes.Length..];
        }

        for (int i = 0; i < diagonals.Length; i++)
        {
            arguments.Diagonals[i].Bind(diagonals[i].Vectors, addresses);
            arguments.Diagonals[i].Output = addresses[diagonals[i].Output.Slot];
        }

        kernel.Launch(arguments, (blocks, 1, 1), Threads, sharedBytes, stream, overlaps: true);
    }

    private static KernelRequest Request(DType dtype) =>
        new("gemm/kronecker_matrices.cu", "kronecker_matrices", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static Placed Place(KroneckerMatrixStep step, Span<MatrixMode> modes)
    {
        KroneckerMatrix matrix = KroneckerMatrix.Create(step, modes);
        matrix.Factors = matrix.Factors.InUnits;
        matrix.Alpha = (float)(step.Alpha * Math.Pow(step.Factors.Distribution.Unit, step.Modes.Length));
        matrix.LastApart = step.Modes[^1].In % Neighbours == 0 ? 1u : 0;
        return new Placed { Matrix = matrix };
    }

    /// <summary>The layout of <c>tera::gemm::PlacedMatrix</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Placed
    {
        public KroneckerMatrix Matrix;
        public uint FirstMode;
        public uint FirstBlock;
    }

    /// <summary>The matrices of <see cref="Arguments"/>.</summary>
    [InlineArray(MaxMatrices)]
    internal struct MatrixTable
    {
        private Placed first;
    }

    /// <summary>The diagonals of <see cref="Arguments"/>.</summary>
    [InlineArray(MaxDiagonals)]
    internal struct DiagonalTable
    {
        private Diagonal first;
    }

    /// <summary>The layout of <c>tera::gemm::KroneckerMatricesArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public MatrixTable Matrices;
        public KroneckerMatrixArguments.MatrixModeTable Modes;
        public DiagonalTable Diagonals;
        public uint Count;
        public uint DiagonalBlock;
    }
}
