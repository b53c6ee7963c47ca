using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// Predicted times of the kernels written for Hopper, from their shapes: products as <see cref="WgmmaProductSchedule"/> cuts them, Kronecker kernels by
/// their memory floor. The constants are fitted to `bench steps` and `bench layers` on one H100 (bench/NOTES.md).
/// </summary>
internal static class HopperCosts
{
    // A wave of tiles multiplies at this multiple of the rate that whole products reach, most of which end in a wave that is not full.
    private const double WaveShare = 1.048;

    // Products with a short side: the long operand is read once, and part of the arithmetic shows beside it.
    private const double ThinShare = 1.08;
    private const double ThinExposedArithmetic = 0.35;

    // Kronecker kernels against the memory floor: rows written as rows, and as transposed rows.
    private const double RowShare = 0.92;
    private const double TransposedShare = 1.52;

    // The part of a Kronecker kernel's arithmetic that its memory traffic does not hide.
    private const double ExposedArithmetic = 0.55;

    // A generated number of the core, and the kernel that writes a core out before its rows are multiplied.
    private const double GeneratedNumberSeconds = 3e-12;
    private const double GenerationSeconds = 7e-6;

    // The core with one mode applied, and what is made in the same launch: beside the generation a round through memory, however small.
    private const double ExpansionSeconds = 0.3e-6;

    // Vectors of a diagonal: a few blocks, a few rounds through memory; and the sums of a marginal, one after another.
    private const double VectorSeconds = 0.5e-6;
    private const double MarginalSeconds = 1e-6;
    private const double MarginalNumberSeconds = 1.2e-9;

    /// <summary>Seconds of a step after its launch; null when no kernel of Hopper's own runs it.</summary>
    public static double? Seconds(Step step, DeviceTraits traits) => traits.Architecture != WgmmaProductRules.Architecture ? null : step switch
    {
        MatrixProductStep product when WgmmaThinProductRules.Rejection(product, traits) is null => ThinProduct(product, traits),
        MatrixProductStep product when WgmmaProductRules.Rejection(product, traits) is null => Product(product, traits),
        KroneckerStep modes when WgmmaModesShape.Choose(modes, traits, out _) is not null => Modes(modes, traits),
        CoreProjectionStep projection when WgmmaProjectionLauncher.Rejection(projection, traits) is null => Projection(projection, traits),
        CoreExpansionStep expansion => Expansion(expansion, traits),
        BlockOperandsStep operands => Expansion(operands.Core, traits),
        CoreMarginalsStep marginals => traits.LaunchSeconds + Generation(marginals.Core),
        OuterVectorsStep => VectorSeconds,
        VectorMarginalsStep marginals => MarginalSeconds + (marginals.More.Select(step => step.Length).Append(marginals.Length).Max() * MarginalNumberSeconds),
        _ => null,
    };

    private static double WaveRate(DeviceTraits traits) => WaveShare * traits.HalfOperationsPerSecond;

    private static double ThinProduct(MatrixProductStep step, DeviceTraits traits) =>
        (ThinShare * step.Bytes / traits.BytesPerSecond) + (ThinExposedArithmetic * step.Operations / WaveRate(traits));

    private static double Product(MatrixProductStep step, DeviceTraits traits) =>
        Math.Max(WgmmaProductSchedule.Choose(step).Seconds(step), step.Bytes / traits.BytesPerSecond);

    // The product's layers are read once more, beside the core.
    private static double Projection(CoreProjectionStep step, DeviceTraits traits)
    {
        double bytes = (double)step.Core.R * step.Core.S * sizeof(float);
        return Product(WgmmaProjectionLauncher.Product(step), traits) + traits.LaunchSeconds + (bytes / traits.BytesPerSecond) + Generation(step.Core);
    }

    private static double Expansion(CoreExpansionStep step, DeviceTraits traits) =>
        ExpansionSeconds + (step.Operations / traits.SingleOperationsPerSecond) + Generation(step.Core);

    private static double Generation(CoreSource core) => (double)core.R * core.S * GeneratedNumberSeconds;

    private static double Modes(KroneckerStep step, DeviceTraits traits)
    {
        double floor = step.Bytes / traits.BytesPerSecond, restIn = (double)step.In / step.Modes[0].In, restOut = (double)step.Out / step.Modes[0].Out;

        // The modes after the first are one dense factor.
        double arithmetic = 2 * step.Outer * step.Modes[0].In * restIn * restOut / WaveRate(traits);
        double generation = step.Core is { } core ? GenerationSeconds + Generation(core) : 0;
        return ((step.TransposedOutput ? TransposedShare : RowShare) * floor) + (ExposedArithmetic * arithmetic) + generation;
    }
}
