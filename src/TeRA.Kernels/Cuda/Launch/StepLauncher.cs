using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The one place that knows which launcher runs which step, and which kernels all launchers may ask for. A new launcher adds one line
/// to each of the two lists.
/// </summary>
internal static class StepLauncher
{
    /// <summary>Prepares <paramref name="step"/>: kernels are compiled and launch sizes fixed here, so that running allocates nothing.</summary>
    /// <exception cref="NotSupportedException">No kernel does this step, with the step's name.</exception>
    public static CompiledStep Create(CudaDevice device, Step step) => step switch
    {
        MatrixProductStep product => WgmmaProductLauncher.Create(device, product),
        FilledProductStep filled => Filled(device, filled),
        CoreProductStep product => new CoreProductLauncher(device, product),
        CoreProjectionStep projection => WgmmaProjectionLauncher.Create(device, projection),
        CoreMarginalsStep { Contraction: not null } marginals => new WgmmaMarginalsLauncher(device, marginals),
        CoreMarginalsStep marginals => new CoreMarginalsLauncher(device, marginals),
        CoreExpansionStep expansion => new BlockOperandsLauncher(device, expansion),
        KroneckerMatrixStep matrix => new BlockOperandsLauncher(device, matrix),
        KroneckerMatricesStep matrices => new KroneckerMatricesLauncher(device, matrices),
        BlockOperandsStep operands => new BlockOperandsLauncher(device, operands),
        FillRandomStep fill => new FillRandomLauncher(device, fill),
        KroneckerStep kronecker => WgmmaModesLauncher.Create(device, kronecker),
        OuterVectorsStep vectors => new OuterVectorsLauncher(device, vectors),
        VectorMarginalsStep marginals => new VectorMarginalsLauncher(device, marginals),
        ConvertStep convert => new ConvertLauncher(device, convert),
        ScaledAddStep add => new ScaledAddLauncher(device, add),
        ColumnSumStep sum => new ColumnSumLauncher(device, sum),
        ScaledCopiesStep copies => new ScaledCopiesLauncher(device, copies),
        ScaledCopiesGradientStep gradient => new ScaledCopiesGradientLauncher(device, gradient),
        ActivationStep activation => new ActivationLauncher(device, activation),
        ActivationGradientStep gradient => new ActivationLauncher(device, gradient),
        MeanSquaredErrorStep loss => new MeanSquaredErrorLauncher(device, loss),
        SoftmaxCrossEntropyStep loss => new SoftmaxCrossEntropyLauncher(device, loss),
        OptimizerStep optimizer => new OptimizerLauncher(device, optimizer),
        _ => throw new NotSupportedException($"{device.Id} has no kernel for {step.GetType().Name} ({step.Label})."),
    };

    // Before numbers that are begun early stands the product, or nothing is known of what does.
    private static SequenceLauncher Filled(CudaDevice device, FilledProductStep step)
    {
        CompiledStep product = WgmmaProductLauncher.Create(device, step.Product);
        return new(product, new FillRandomLauncher(device, step.Fill, early: product.Launches > 0));
    }

    /// <summary>
    /// Every kernel variant that some launcher may load, for building ahead of time and for the tests that compile all of them for every
    /// architecture. Each launcher offers its own list as <c>static IEnumerable&lt;KernelRequest&gt; Variants</c>.
    /// </summary>
    public static IEnumerable<KernelRequest> Variants =>
    [
        .. Probe.Variants,
        .. MatrixProductLauncher.Variants,
        .. WgmmaProductLauncher.Variants,
        .. WgmmaThinProductLauncher.Variants,
        .. SplitSumLauncher.Variants,
        .. CoreProductLauncher.Variants,
        .. CoreProjectionLauncher.Variants,
        .. CoreSumLauncher.Variants,
        .. CoreMarginalsPass.Variants,
        .. BlockOperandsLauncher.Variants,
        .. KroneckerMatricesLauncher.Variants,
        .. FillRandomLauncher.Variants,
        .. NormalBoundsProbe.Variants,
        .. KroneckerLauncher.Variants,
        .. OuterVectorsLauncher.Variants,
        .. VectorMarginalsLauncher.Variants,
        .. ConvertLauncher.Variants,
        .. ScaledAddLauncher.Variants,
        .. ColumnSumLauncher.Variants,
        .. ScaledCopiesLauncher.Variants,
        .. ScaledCopiesGradientLauncher.Variants,
        .. ActivationLauncher.Variants,
        .. LossLauncher.Variants,
        .. OptimizerLauncher.Variants,
        .. WgmmaModesLauncher.Variants,
        .. WgmmaMarginalsLauncher.Variants,
    ];
}
