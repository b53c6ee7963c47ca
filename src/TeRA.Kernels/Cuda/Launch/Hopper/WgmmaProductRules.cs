using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Which matrix products run on kernels/gemm/wgmma_product.cu, and its tile. Pure functions of the step and the device's figures.</summary>
internal static class WgmmaProductRules
{
    /// <summary>Rows of a block's tile.</summary>
    public const int TileM = 128;

    /// <summary>Columns of a block's tile.</summary>
    public const int TileN = 256;

    /// <summary>Depth of a pipeline stage, and the elements of a swizzled row.</summary>
    public const int TileK = 64;

    /// <summary>The architecture whose instructions the Hopper kernels use: 10·major + minor.</summary>
    public const int Architecture = 90;

    /// <summary>The target that they are compiled for.</summary>
    public const string Target = "sm_90a";

    // One tile a multiprocessor: a single wave takes the same time however few tiles it has, and with less than this share of the
    // multiprocessors at work the portable engine's smaller tiles and split sums win (bench/NOTES.md).
    private const double LeastShareOfProcessors = 0.24;

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

        if (step.Accumulates && step.C.DType != DType.Float32)
        {
            return $"adds to {step.C.DType.Label()}";
        }

        long rowA = step.LayoutA == Layout.Transposed ? step.M : step.K, rowB = step.LayoutB == Layout.Transposed ? step.K : step.N;
        if (rowA % RowElements != 0 || rowB % RowElements != 0 || (step.C.DType != DType.Float32 && step.N % RowElements != 0))
        {
            return "rows that are no multiple of 16 bytes";
        }

        if (step.K < TileK || Math.Max(step.M, Math.Max(step.N, step.K)) > int.MaxValue - TileN)
        {
            return "a depth below 64 or a length beyond 32 bits";
        }

        return Tiles(step) < LeastShareOfProcessors * traits.Processors ? "too few tiles for the device" : null;
    }

    /// <summary>Tiles of C.</summary>
    public static long Tiles(MatrixProductStep step) => TilesOf(step.M, TileM) * TilesOf(step.N, TileN);

    /// <summary>⌈length / tile⌉.</summary>
    public static long TilesOf(long length, int tile) => (length + tile - 1) / tile;
}
