using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Which matrix products run on kernels/gemm/wgmma_product.cu, and why others do not. Pure functions of the step and the device's figures.</summary>
internal static class WgmmaProductRules
{
    /// <summary>Rows of a block's tile.</summary>
    public const int TileM = 128;

    /// <summary>Columns of a block's widest tile.</summary>
    public const int TileN = 256;

    /// <summary>Depth of a pipeline stage, and the elements of a swizzled row.</summary>
    public const int TileK = 64;

    /// <summary>The architecture whose instructions the Hopper kernels use: 10·major + minor.</summary>
    public const int Architecture = 90;

    /// <summary>The target that they are compiled for.</summary>
    public const string Target = "sm_90a";

    // One tile a multiprocessor: a single wave takes the same time however few tiles it has, and with fewer multiprocessors at work
    // the portable engine's smaller tiles win (bench/NOTES.md).
    private const int LeastItems = 32;

    // A row in memory is a multiple of 16 bytes.
    private const int RowElements = 8;

    /// <summary>Why the step does not run there; null when it does.</summary>
    public static string? Rejection(MatrixProductStep step, DeviceTraits traits)
    {
        if (traits.Architecture != Architecture)
        {
            return "not compute capability 9.0";
        }

        if (step.A.DType is not (DType.BFloat16 or DType.Float16))
        {
            return $"{step.A.DType.Label()} operands";
        }

        long rowA = step.LayoutA == Layout.Transposed ? step.M : step.K, rowB = step.LayoutB == Layout.Transposed ? step.K : step.N;
        if (rowA % RowElements != 0 || rowB % RowElements != 0 || (step.C.DType != DType.Float32 && step.N % RowElements != 0))
        {
            return "rows that are no multiple of 16 bytes";
        }

        if (step.K == 0 || Math.Max(step.M, Math.Max(step.N, step.K)) > int.MaxValue - TileN)
        {
            return "an empty sum or a length beyond 32 bits";
        }

        return step.Blocks is { } blocks && Rejection(step, blocks) is { } reason ? reason
            : WgmmaProductSchedule.Choose(step).Items(step) < LeastItems ? "too few tiles for the device"
            : null;
    }

    /// <summary>Whether the step runs there in one launch of several waves, the last of which leaves multiprocessors idle.</summary>
    public static bool LeavesIdle(MatrixProductStep step, DeviceTraits traits)
    {
        if (WgmmaThinProductRules.Rejection(step, traits) is null || Rejection(step, traits) is not null)
        {
            return false;
        }

        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(step);
        return schedule.Parts == 1 && schedule.IdleSeconds(step) > 0;
    }

    private static string? Rejection(MatrixProductStep step, BlockProduct blocks) =>
        step.LayoutA == Layout.Transposed ? "a block product beside a transposed A"
        : step.C.DType == DType.Float32 ? "a block product into float32"
        : blocks.K == 0 || blocks.K % RowElements != 0 || (blocks.LayoutB == Layout.Normal && blocks.Columns % RowElements != 0) ? "a block product with rows that are no multiple of 16 bytes"
        : WgmmaProductSchedule.Fits(step) ? null
        : $"blocks of {blocks.Columns} columns, neither a multiple of 128 or 192 nor all {step.N}";

    /// <summary>⌈length / tile⌉.</summary>
    public static long TilesOf(long length, int tile) => (length + tile - 1) / tile;
}
