namespace TeRA.Kernels.Cuda;

/// <summary>A launch of <c>kronecker_slab</c>.</summary>
internal sealed class SlabPassLauncher : KroneckerPassLauncher
{
    private readonly CudaKernel kernel;
    private readonly SlabPlan plan;
    private readonly KroneckerSlabArguments prepared;
    private readonly SlabSideArguments singleSource;
    private readonly SlabSideArguments singleTarget;
    private readonly int sharedBytes;
    private readonly uint blocks;

    /// <summary>Fixes everything that does not depend on addresses.</summary>
    public SlabPassLauncher(CudaKernel kernel, SlabPlan plan, Common common, DeviceTraits traits)
    {
        this.kernel = kernel;
        this.plan = plan;
        var arguments = new SlabArguments(plan);
        sharedBytes = arguments.SharedBytes;
        prepared = arguments.Build(common.Factors);
        prepared.Core = common.CoreArguments;
        prepared.ScaleIndex = common.ScaleIndex;
        prepared.Alpha = common.Alpha;
        singleSource = plan.Problem.Input is null ? prepared.Source : arguments.Side(0, vectors: false);
        singleTarget = arguments.Side(plan.Order.Length, vectors: false);
        kernel.AllowSharedMemory(sharedBytes);
        // As many blocks as run at once; each takes slab after slab and generates its factors only once.
        long resident = (long)traits.Processors * Math.Max(1, kernel.MaxBlocksPerProcessor(plan.Threads, sharedBytes));
        blocks = (uint)Math.Min(prepared.Slabs, resident);
    }

    /// <inheritdoc/>
    public override string Description =>
        $"{kernel.Name}({plan.Order.Length} modes, {plan.TileRows}×{plan.TileColumns} tile, {sharedBytes} B, {blocks}×{plan.Threads} threads)";

    /// <inheritdoc/>
    public override void Run(nint input, nint output, nint addTo, nint scale, StreamHandle stream)
    {
        KroneckerSlabArguments arguments = prepared;
        arguments.Input = input;
        arguments.Output = output;
        arguments.AddTo = addTo;
        arguments.Scale = scale;
        if (input % 16 != 0)
        {
            arguments.Source = singleSource;
        }

        if ((output | addTo) % 16 != 0)
        {
            arguments.Target = singleTarget;
        }

        kernel.Launch(arguments, (blocks, 1, 1), plan.Threads, sharedBytes, stream);
    }
}
