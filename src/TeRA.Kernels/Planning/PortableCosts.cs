using System.Collections.Immutable;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// Predicted times of the portable kernels on Hopper, where they run what its own kernels don't take: few tiles, and so mostly the time that one block takes
/// from its beginning to its end. The constants are fitted to `bench steps --grid` on one H100 (bench/NOTES.md); other devices have the roofline.
/// </summary>
internal static class PortableCosts
{
    // A product's block: what comes before and after its sum, and a number of the sum; the second kernel of a sum in parts.
    private const double ProductSeconds = 2e-6;
    private const double ProductDepthSeconds = 15.6e-9;
    private const double SplitSeconds = 1.5e-6;

    // The same for the core's projection, its second kernel among it.
    private const double ProjectionSeconds = 6.5e-6;
    private const double ProjectionDepthSeconds = 16e-9;

    // Products with the core: of a number of the sum, what each block of a wave waits for by itself, and what a tile of 128 rows costs its multiprocessor,
    // the core's generation among it.
    private const double CoreSeconds = 1.8e-6;
    private const double CoreDepthSeconds = 22e-9;
    private const double CoreTileDepthSeconds = 28.6e-9;
    private const double CoreTileRows = 128;

    // Kronecker slabs: of each launch the beginning and end, the memory traffic against the floor, for rows, for rows of which the L2 cache still holds what the
    // kernel before wrote, and for columns; and all arithmetic beside it.
    private const double SlabRowSeconds = 4.1e-6;
    private const double SlabRowShare = 1.55;
    private const double SlabCachedShare = 0.7;
    private const double SlabCachedBytes = 16 << 20;
    private const double SlabColumnSeconds = 5.7e-6;
    private const double SlabColumnShare = 1.9;
    private const double SlabOperationsPerSecond = 21.9e12;

    /// <summary>Seconds of a product after its launch.</summary>
    public static double Product(MatrixProductStep step, DeviceTraits traits)
    {
        ProductSchedule schedule = MatrixProductLauncher.Schedule(step);
        double depth = Math.Min(schedule.PartLength, step.K) + (step.Blocks?.K ?? 0);
        return Math.Max(CostModel.Roofline(step, traits), ProductSeconds + (depth * ProductDepthSeconds)) + Split(schedule);
    }

    /// <summary>Seconds of a product with the core after its launch.</summary>
    public static double CoreProduct(CoreProductStep step, DeviceTraits traits)
    {
        ProductSchedule schedule = CoreProductLauncher.Schedule(step);
        double items = (double)schedule.Tiles * schedule.Parts, rows = schedule.Config.Tile.M / CoreTileRows;
        double depthSeconds = CoreDepthSeconds + (CoreTileDepthSeconds * rows * Math.Max(1, items / traits.Processors));
        return Math.Max(CostModel.Roofline(step, traits), CoreSeconds + (schedule.PartLength * depthSeconds)) + Split(schedule);
    }

    /// <summary>Seconds of the core's projection after its launch.</summary>
    public static double Projection(CoreProjectionStep step, DeviceTraits traits) =>
        Math.Max(CostModel.Roofline(step, traits), ProjectionSeconds + (CoreProjectionLauncher.Schedule(step).PartLength * ProjectionDepthSeconds));

    /// <summary>Seconds of a Kronecker product after its first launch; null where a mode is too long for a slab.</summary>
    public static double? Modes(KroneckerStep step, DeviceTraits traits)
    {
        if (step.Outer == 0 || step.Inner == 0 || step.In == 0 || step.Out == 0)
        {
            return 0;
        }

        ImmutableArray<KroneckerPass> passes = KroneckerPasses.Plan(step, traits);
        if (passes.Any(pass => pass.Slab is null))
        {
            return null;
        }

        // Between passes a float32 result is written and read.
        double between = passes.SkipLast(1).Sum(pass => 2.0 * sizeof(float) * pass.Outer * pass.Out * pass.Inner);
        (double seconds, double share) = step.Inner != 1 ? (SlabColumnSeconds, SlabColumnShare)
            : (SlabRowSeconds, step.Bytes + between <= SlabCachedBytes ? SlabCachedShare : SlabRowShare);
        return ((passes.Length - 1) * traits.LaunchSeconds) + (passes.Length * seconds) + (share * (step.Bytes + between) / traits.BytesPerSecond)
            + (step.Operations / SlabOperationsPerSecond);
    }

    private static double Split(ProductSchedule schedule) => schedule.Parts > 1 ? SplitSeconds : 0;
}
