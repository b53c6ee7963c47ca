using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// Predicted time of a step: its launch, plus the longer of its memory traffic and its arithmetic. Good enough to choose between
/// paths, whose times differ by factors; not a promise.
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
    public static double Seconds(Step step, DeviceTraits traits)
    {
        double arithmetic = (step.Operations / Rate(step, traits))
            + (Generated(step, traits) * OperationsPerGeneratedNumber / traits.SingleOperationsPerSecond);
        return traits.LaunchSeconds + Math.Max(step.Bytes / traits.BytesPerSecond, arithmetic);
    }

    /// <summary>Seconds of all steps.</summary>
    public static double Seconds(LayerPass pass, DeviceTraits traits) => pass.Steps.Sum(step => Seconds(step, traits));

    private static double Rate(Step step, DeviceTraits traits) => step switch
    {
        MatrixProductStep product => Matrix(product.A.DType, traits) * Share(traits, WgmmaProductRules.Rejection(product, traits) is null),
        CoreProductStep product => Matrix(product.A.DType, traits) * Share(traits, false),
        CoreProjectionStep projection => Matrix(projection.Q.DType, traits) * Share(traits, WgmmaProjectionLauncher.Rejection(projection, traits) is null),
        KroneckerStep kronecker => (OnTensorCores(kronecker, traits) ? Matrix(kronecker.Output.DType, traits) : traits.SingleOperationsPerSecond) * KroneckerEfficiency,
        _ => traits.SingleOperationsPerSecond,
    };

    // Hopper's rate is that of its own kernels.
    private static double Share(DeviceTraits traits, bool own) => own || traits.Architecture != WgmmaProductRules.Architecture ? 1 : PortableShareOnHopper;

    // The portable Kronecker kernels of CUDA devices multiply in float32 on the vector units.
    private static bool OnTensorCores(KroneckerStep step, DeviceTraits traits) =>
        traits.Kind != DeviceKind.Cuda || WgmmaModesShape.Choose(step, traits, out _) is not null;

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
        CoreProductStep product => (double)product.Core.R * product.Core.S * Tiles(product.Tokens, traits),
        CoreProjectionStep projection => (double)projection.Core.R * projection.Core.S,
        _ => 0,
    };

    private static double Tiles(long tokens, DeviceTraits traits) =>
        traits.Kind == DeviceKind.Cuda ? Math.Ceiling(tokens / TokensPerTile) : 1;
}
