using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Which matrix products run on kernels/gemm/wgmma_thin_product.cu: those with a short side, whose time is that of reading the long operand once.
/// Pure functions of the step and the device's figures.
/// </summary>
internal static class WgmmaThinProductRules
{
    /// <summary>The short side at most.</summary>
    public const int LongestShortSide = 256;

    // The long side at least: below, tiles of 64 rows keep too few multiprocessors busy. But where both sides are short, a long sum is cut in many parts.
    private const int ShortestLongSide = 1024;
    private const int LongSum = 2048;
    private const int LongestSideOfLongSums = 512;
    private const int LongestShortSideOfLongSums = 128;

    // Above 128 of the short side a tile takes 128 rows, and with fewer tiles the smaller ones of wgmma_product keep more multiprocessors busy.
    private const int LeastTilesOf128 = 64;

    // A row in memory is a multiple of 16 bytes.
    private const int RowElements = 8;

    /// <summary>Why the step does not run there; null when it does.</summary>
    public static string? Rejection(MatrixProductStep step, DeviceTraits traits)
    {
        if (traits.Architecture != WgmmaProductRules.Architecture)
        {
            return "not compute capability 9.0";
        }

        if (step.A.DType is not (DType.BFloat16 or DType.Float16))
        {
            return $"{step.A.DType.Label()} operands";
        }

        if (step.Blocks is not null)
        {
            return "a block product";
        }

        long shortSide = Math.Min(step.M, step.N), longSide = Math.Max(step.M, step.N);
        bool longSum = shortSide <= LongestShortSideOfLongSums && longSide <= LongestSideOfLongSums && step.K >= LongSum;
        if (shortSide is < 1 or > LongestShortSide || (longSide < ShortestLongSide && !longSum))
        {
            return $"{step.M}×{step.N}: one side must be at most {LongestShortSide} and the other at least {ShortestLongSide}, or they at most {LongestShortSideOfLongSums} and {LongestSideOfLongSums} with sums of at least {LongSum}";
        }

        if (shortSide > 128 && WgmmaProductRules.TilesOf(longSide, 128) < LeastTilesOf128)
        {
            return $"fewer than {LeastTilesOf128} tiles of 128×256";
        }

        long rowA = step.LayoutA == Layout.Transposed ? step.M : step.K, rowB = step.LayoutB == Layout.Transposed ? step.K : step.N;
        if (rowA % RowElements != 0 || rowB % RowElements != 0)
        {
            return "rows that are no multiple of 16 bytes";
        }

        return step.K < WgmmaProductRules.TileK || Math.Max(longSide, step.K) > int.MaxValue - LongestShortSide ? "a depth below 64 or a length beyond 32 bits" : null;
    }
}
