using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// Predicted times of the kernels written for Hopper, from their shapes: products as <see cref="WgmmaProductSchedule"/> cuts them, Kronecker kernels by
/// their memory floor. The constants are fitted to `bench steps` (the layers' and, by both paths, the regret's grid) and `bench layers` on one H100
/// (bench/NOTES.md); what Hopper's own kernels don't take is in <see cref="PortableCosts"/>.
/// </summary>
internal static class HopperCosts
{
    // A wave of tiles multiplies at this multiple of the rate that whole products reach, most of which end in a wave that is not full.
    private const double WaveShare = 1.048;

    // Of a product's own schedule, what shows beside the reading and writing of operands that are long and sums that are short.
    private const double ShortSumShare = 0.35;

    // Products with a short side: the long operand is read once, the pipeline fills and empties, and part of the arithmetic shows. Operands that do not lie
    // along the sum start slower; results in float32 are added to what is there.
    private const double ThinSeconds = 2.7e-6;
    private const double ThinAcrossSeconds = 4.3e-6;
    private const double ThinAcrossShare = 1.05;
    private const double ThinExposedArithmetic = 0.38;

    // Kronecker kernels against the memory floor: rows written as rows, few of which take as long as one block with the factor that it makes for itself; and
    // as transposed rows, where their modes fill the units of eight and sixteen, where the first does not or the others are long, and where the first is so
    // long that the transposed rows are cut to 32 or to 16 bytes.
    private const double RowShare = 0.92;
    private const double RowSeconds = 0.6e-6;
    private const double FewRowsSeconds = 1.5e-6;
    private const double FactorNumberSeconds = 45e-12;
    private const double TransposedShare = 1;
    private const double TransposedSeconds = 2.5e-6;
    private const double PaddedTransposedShare = 1.2;
    private const double HalvedTransposedShare = 2.5;
    private const double CutTransposedShare = 2.2;
    private const int FewestTransposed = 16;
    private const int LongestWhole = 16;
    private const int LongestUncut = 32;
    private const int LongestRest = 256;

    // The part of a Kronecker kernel's arithmetic that its memory traffic does not hide.
    private const double ExposedArithmetic = 0.55;

    // A generated number of the core beside other work; and one that is only written out: normal in 16 bits, normal in float32, uniform.
    private const double GeneratedNumberSeconds = 2.7e-12;
    private const double RoundedNumberSeconds = 1.15e-12;
    private const double WrittenNumberSeconds = 1.8e-12;
    private const double WrittenUniformSeconds = 0.9e-12;
    private const double CoreMarginalsSeconds = 6e-6;

    // The core with one mode applied, and what is made in the same launch: a round through memory, however small; and the generation with its sums, of which
    // the end of the kernel before hides a part.
    private const double ExpansionSeconds = 0.3e-6;
    private const double ExpandedNumberSeconds = 7e-12;
    private const double ExpansionOperationsPerSecond = 18e12;
    private const double HiddenExpansionSeconds = 1.2e-6;

    // Copies of a matrix with scales, and the sums that are their gradients, against the memory floor.
    private const double ScaledCopiesShare = 1.3;
    private const double ScaledGradientsSeconds = 2.5e-6;

    // Vectors of a diagonal: a few blocks, a few rounds through memory; and the sums of a marginal, one after another.
    private const double VectorSeconds = 0.3e-6;
    private const double MarginalSeconds = 0.9e-6;
    private const double MarginalNumberSeconds = 0.13e-9;

    // Small matrices beside them, in one wave; and what a Kronecker kernel saves that loads its factors: of making the dense one only where nothing else has to
    // arrive first.
    private const double MatricesSeconds = 1.1e-6;
    private const double PreparedSeconds = 0.9e-6;
    private const double PreparedNumberSeconds = 4e-11;

    /// <summary>Seconds of a step after its launch; null where nothing was measured.</summary>
    public static double? Seconds(Step step, DeviceTraits traits) => traits.Architecture != WgmmaProductRules.Architecture ? null : step switch
    {
        MatrixProductStep product when WgmmaThinProductRules.Rejection(product, traits) is null => ThinProduct(product, traits),
        MatrixProductStep product when WgmmaProductRules.Rejection(product, traits) is null => Product(product, traits),
        MatrixProductStep product => PortableCosts.Product(product, traits),
        FilledProductStep filled when WgmmaProductRules.LeavesIdle(filled.Product, traits) => FilledProduct(filled, traits),
        CoreProductStep product => PortableCosts.CoreProduct(product, traits),
        KroneckerStep modes when WgmmaModesShape.Choose(modes, traits, out _) is { } shape => Modes(modes, shape, traits),
        KroneckerStep modes => PortableCosts.Modes(modes, traits),
        CoreProjectionStep projection when WgmmaProjectionLauncher.Rejection(projection, traits) is null => Projection(projection, traits),
        CoreProjectionStep projection => PortableCosts.Projection(projection, traits),
        CoreExpansionStep expansion => Expansion(expansion),
        BlockOperandsStep operands => Expansion(operands.Core),
        CoreMarginalsStep { Contraction: { } product } marginals when WgmmaModesShape.Choose(marginals, traits, out _) is { } shape => traits.LaunchSeconds + Modes(product, shape, traits),
        CoreMarginalsStep marginals => CoreMarginalsSeconds + Generation(marginals.Core),
        FillRandomStep fill => Math.Max(Writing(fill.Core, fill.Output.DType is DType.BFloat16 or DType.Float16), Floor(fill, traits)),
        ScaledCopiesStep copies => ScaledCopiesShare * Floor(copies, traits),
        ScaledCopiesGradientStep sums => ScaledGradientsSeconds + (ScaledCopiesShare * Floor(sums, traits)),
        OuterVectorsStep => VectorSeconds,
        KroneckerMatricesStep => MatricesSeconds,
        VectorMarginalsStep marginals => MarginalSeconds + (marginals.More.Select(step => step.Length).Append(marginals.Length).Max() * MarginalNumberSeconds),
        _ => null,
    };

    private static double WaveRate(DeviceTraits traits) => WaveShare * traits.HalfOperationsPerSecond;

    private static double Floor(Step step, DeviceTraits traits) => step.Bytes / traits.BytesPerSecond;

    private static double ThinProduct(MatrixProductStep step, DeviceTraits traits)
    {
        bool across = step.LayoutA == Layout.Transposed || step.LayoutB == Layout.Normal;
        double memory = across ? ThinAcrossSeconds + (ThinAcrossShare * Floor(step, traits)) : ThinSeconds + Floor(step, traits);
        return memory + (ThinExposedArithmetic * step.Operations / WaveRate(traits));
    }

    private static double Product(MatrixProductStep step, DeviceTraits traits)
    {
        double schedule = WgmmaProductSchedule.Choose(step).Seconds(step);
        return Math.Max(schedule, Floor(step, traits) + (ShortSumShare * schedule));
    }

    private static double FilledProduct(FilledProductStep step, DeviceTraits traits)
    {
        double product = Product(step.Product, traits), fill = CostModel.Seconds(step.Fill, traits);
        return product + Math.Max(0, fill - WgmmaProductSchedule.Choose(step.Product).IdleSeconds(step.Product));
    }

    // The product's layers are read once more, beside the core.
    private static double Projection(CoreProjectionStep step, DeviceTraits traits) =>
        Product(WgmmaProjectionLauncher.Product(step), traits) + Floor(step, traits) + Generation(step.Core);

    private static double Expansion(CoreExpansionStep step) => Math.Max(
        ExpansionSeconds, ((double)step.Core.R * step.Core.S * ExpandedNumberSeconds) + (step.Operations / ExpansionOperationsPerSecond) - HiddenExpansionSeconds);

    private static double Generation(CoreSource core) => (double)core.R * core.S * GeneratedNumberSeconds;

    private static double Writing(CoreSource core, bool rounded) => (double)core.R * core.S
        * (core.Source.Distribution.Kind == DistributionKind.Uniform ? WrittenUniformSeconds : rounded ? RoundedNumberSeconds : WrittenNumberSeconds);

    private static double Modes(KroneckerStep step, WgmmaModesShape shape, DeviceTraits traits)
    {
        // The modes after the first are one dense factor.
        double arithmetic = 2.0 * step.Outer * shape.In[0] * shape.RestIn * shape.RestOut / WaveRate(traits);
        double generation = step.Core is { } core ? Writing(core, rounded: true) : 0;
        double all = (shape.Transposed ? TransposedSeconds : RowSeconds) + (MemoryShare(shape) * Floor(step, traits)) + (ExposedArithmetic * arithmetic) + generation;
        return shape.Prepared ? all - Saved(shape) : shape.Transposed ? all : Math.Max(all, FewRowsSeconds + (FactorNumberSeconds * shape.RestIn * shape.RestOut));
    }

    private static double Saved(WgmmaModesShape shape) =>
        PreparedSeconds + (shape.Transposed && !shape.Adds ? PreparedNumberSeconds * shape.FactorRows * shape.RestIn : 0);

    private static double MemoryShare(WgmmaModesShape shape) =>
        !shape.Transposed ? RowShare
        : shape.Unit.Tokens < FewestTransposed && shape.In[0] > LongestUncut ? CutTransposedShare
        : shape.In[0] > LongestWhole && shape.RestOut > LongestRest ? HalvedTransposedShare
        : shape.InPadded != shape.In[0] || shape.RestOut > LongestRest ? PaddedTransposedShare
        : TransposedShare;
}
