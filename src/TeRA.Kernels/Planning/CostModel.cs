using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// Predicted time of a step: its launch, plus the longer of its memory traffic and its arithmetic, or what <see cref="HopperCosts"/> has measured.
/// Good enough to choose between ways; not a promise.
/// </summary>
internal static class CostModel
{
    // Philox and Box–Muller take about this many operations a number.
    private const double OperationsPerGeneratedNumber = 64;

    // The sums of a mode product are as short as the mode; tensor cores and vector units run far below their rate.
    private const double KroneckerEfficiency = 0.125;

    // 197 of 755 TFLOP/s, measured on an H100 with the projection of a 4096×4096 core.
    private const double PortableShareOnHopper = 0.26;

    // Tokens of a tile: a GPU's tiles each generate the core for themselves.
    private const double TokensPerTile = 128;

    /// <summary>Seconds of one step.</summary>
    public static double Seconds(Step step, DeviceTraits traits) => (HopperCosts.Seconds(step, traits), step) switch
    {
        ({ } seconds, _) => traits.LaunchSeconds + seconds,
        (null, FilledProductStep filled) => Seconds(filled.Product, traits) + Seconds(filled.Fill, traits),
        _ => traits.LaunchSeconds + Roofline(step, traits),
    };

    /// <summary>Seconds of all steps.</summary>
    public static double Seconds(LayerPass pass, DeviceTraits traits) => pass.Steps.Sum(step => Seconds(step, traits));

    /// <summary>The longer of a step's memory traffic and its arithmetic.</summary>
    public static double Roofline(Step step, DeviceTraits traits)
    {
        double arithmetic = (step.Operations / Rate(step, traits))
            + (Generated(step, traits) * OperationsPerGeneratedNumber / traits.SingleOperationsPerSecond);
        return Math.Max(step.Bytes / traits.BytesPerSecond, arithmetic);
    }

    private static double Rate(Step step, DeviceTraits traits) => step switch
    {
        MatrixProductStep product => Matrix(product.A.DType, traits) * PortableShare(traits),
        CoreProductStep product => Matrix(product.A.DType, traits) * PortableShare(traits),
        CoreProjectionStep projection => Matrix(projection.Q.DType, traits) * PortableShare(traits),
        KroneckerStep kronecker => (traits.Kind != DeviceKind.Cuda ? Matrix(kronecker.Output.DType, traits) : traits.SingleOperationsPerSecond) * KroneckerEfficiency,
        _ => traits.SingleOperationsPerSecond,
    };

    // Hopper's rate is that of its own kernels.
    private static double PortableShare(DeviceTraits traits) => traits.Architecture == WgmmaProductRules.Architecture ? PortableShareOnHopper : 1;

    private static double Matrix(DType dtype, DeviceTraits traits) => dtype switch
    {
        DType.BFloat16 or DType.Float16 => traits.HalfOperationsPerSecond,
        DType.Float64 => traits.SingleOperationsPerSecond / 2,
        _ => traits.SingleOperationsPerSecond,
    };

    private static double Generated(Step step, DeviceTraits traits) => step switch
    {
        FillRandomStep fill => (double)fill.Core.R * fill.Core.S,
        KroneckerStep { Core: { } core } => (double)core.R * core.S,
        CoreExpansionStep expansion => (double)expansion.Core.R * expansion.Core.S,
        BlockOperandsStep operands => (double)operands.Core.Core.R * operands.Core.Core.S,
        CoreMarginalsStep marginals => (double)marginals.Core.R * marginals.Core.S,
        CoreProductStep product => (double)product.Core.R * product.Core.S * Tiles(product.Tokens, traits),
        CoreProjectionStep projection => (double)projection.Core.R * projection.Core.S,
        _ => 0,
    };

    private static double Tiles(long tokens, DeviceTraits traits) =>
        traits.Kind == DeviceKind.Cuda ? Math.Ceiling(tokens / TokensPerTile) : 1;
}
