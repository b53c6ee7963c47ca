using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>A launch of <c>kronecker_dense</c>.</summary>
internal sealed class DensePassLauncher : KroneckerPassLauncher
{
    private const int Tile = 128;
    private const int Threads = 256;

    private readonly CudaKernel kernel;
    private readonly KroneckerDenseArguments prepared;
    private readonly (uint X, uint Y, uint Z) grid;

    /// <summary>Fixes everything that does not depend on addresses.</summary>
    public DensePassLauncher(CudaKernel kernel, KroneckerPass pass, Common common)
    {
        this.kernel = kernel;
        KroneckerMode mode = pass.Modes[0];
        prepared = new KroneckerDenseArguments
        {
            Core = common.CoreArguments,
            Factor = new RandomSourceArguments(common.Factors, mode.Stream),
            ScaleIndex = common.ScaleIndex,
            In = mode.In,
            Out = mode.Out,
            Trailing = pass.Inner,
            Fibres = checked(pass.Outer * pass.Inner),
            Alpha = common.Alpha,
            Contract = mode.Contract ? 1u : 0u,
        };
        grid = (checked((uint)((prepared.Fibres + Tile - 1) / Tile)), checked((uint)((mode.Out + Tile - 1) / Tile)), 1);
    }

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({prepared.In}→{prepared.Out}, {grid.X}×{grid.Y} tiles)";

    /// <inheritdoc/>
    public override void Run(nint input, nint output, nint addTo, nint scale, StreamHandle stream)
    {
        KroneckerDenseArguments arguments = prepared;
        arguments.Input = input;
        arguments.Output = output;
        arguments.AddTo = addTo;
        arguments.Scale = scale;
        kernel.Launch(arguments, grid, Threads, 0, stream);
    }
}
