using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How a product is cut for kernels/gemm/wgmma_product.cu. It depends on the step alone, not on how many multiprocessors the device has:
/// so do the orders of all sums, and the same numbers give the same bits on every Hopper GPU.
/// </summary>
/// <param name="TileN">Columns of a tile: 256, 192 or 128.</param>
/// <param name="Parts">Blocks that share one tile's sum; above 1 their results meet in a workspace, in order.</param>
/// <param name="PartLength">Of K for one block, a multiple of a stage's depth.</param>
/// <param name="Adds">Whether an addend of 16 bits comes through the copy engine.</param>
internal readonly record struct WgmmaProductSchedule(int TileN, int Parts, long PartLength, bool Adds)
{
    // What the choice is made for: the multiprocessors of an H100 with the SXM socket.
    private const int Processors = 132;

    // Microseconds, measured on an H100: a stage of each tile, what comes before and after the stages of a tile, the second kernel of a
    // sum in parts, and what memory and the L2 cache move.
    private const double Stage256 = 0.69;
    private const double Stage192 = 0.525;
    private const double Stage128 = 0.38;
    private const double TileFixed = 2;
    private const double SumFixed = 4;
    private const double BytesPerMicrosecond = 2.7e6;
    private const double SumBytesPerMicrosecond = 3e6;

    // Overlapping launches begin about a microsecond earlier, but their blocks take multiprocessors in the order in which these fall free: neighbouring tiles are
    // no longer computed side by side and share less through the L2 cache. Measured: longer launches lose by it, and so do those of one wave (bench/NOTES.md).
    private const double LongestOverlap = 100e-6;

    // Shorter parts are all beginning and end.
    private const int ShortestPart = 8;
    private const int MostParts = 16;

    private const int Consumers = 2;
    private const int MostStages = 6;
    private const int BoxBytes = 64 * 64 * 2;
    private const int BarrierBytes = 256;
    private const int BaseAlignment = 1024;
    private const int MostSharedBytes = 227 * 1024;

    /// <summary>The tiles that the kernel is compiled for, the one with the most reuse first.</summary>
    public static ReadOnlySpan<int> Tiles => [256, 192, 128];

    /// <summary>Stages of the ring: as many as fit beside the boxes that results leave by, up to six.</summary>
    public int Stages => Math.Min(MostStages, (MostSharedBytes - BaseAlignment - BarrierBytes - StagingBytes) / StageBytes);

    /// <summary>Dynamic shared memory of a block.</summary>
    public int SharedBytes => (Stages * StageBytes) + StagingBytes + BarrierBytes + BaseAlignment;

    private int StageBytes => (WgmmaProductRules.TileM + TileN) * WgmmaProductRules.TileK * 2;

    private int StagingBytes => Consumers * (Boxes % 2 == 0 ? 2 : Boxes) * BoxBytes;

    private int Boxes => TileN / 64;

    /// <summary>The cut with the least predicted time. A tile lies in one block of columns, and a sum with a block product stays whole.</summary>
    public static WgmmaProductSchedule Choose(MatrixProductStep step)
    {
        WgmmaProductSchedule best = default;
        double least = double.PositiveInfinity;
        foreach (int tileN in Tiles)
        {
            long tiles = Count(step, tileN);
            for (int parts = 1; Allows(step, tileN) && parts <= MostParts && (parts == 1 || (step.Blocks is null && tiles * parts <= Processors)); parts++)
            {
                long stages = Ceiling(Ceiling(step.K, WgmmaProductRules.TileK), parts);
                double time = Time(step, tileN, tiles, parts, stages);
                if (time < least && (parts == 1 || stages >= ShortestPart))
                {
                    least = time;
                    long length = stages * WgmmaProductRules.TileK;
                    int count = (int)Math.Max(Ceiling(step.K, length), 1);
                    best = new WgmmaProductSchedule(tileN, count, length, count == 1 && step.AddTo is not null && step.C.DType != DType.Float32);
                }
            }
        }

        return best;
    }

    /// <summary>Whether some tile fits the step's blocks of columns.</summary>
    public static bool Fits(MatrixProductStep step)
    {
        bool fits = false;
        foreach (int tileN in Tiles)
        {
            fits |= Allows(step, tileN);
        }

        return fits;
    }

    /// <summary>Predicted time of a step that is cut so.</summary>
    public double Seconds(MatrixProductStep step) => Time(step, TileN, Count(step, TileN), Parts, PartLength / WgmmaProductRules.TileK) * 1e-6;

    /// <summary>
    /// Seconds that all multiprocessors together would make of the time in which those without a tile in the last wave wait for the others: what the next kernel
    /// may use if it needs nothing of this one.
    /// </summary>
    public double IdleSeconds(MatrixProductStep step)
    {
        long items = Items(step), waves = Ceiling(items, Processors);
        return Seconds(step) / waves * ((waves * Processors) - items) / Processors;
    }

    /// <summary>Whether the launch should overlap the kernel before.</summary>
    public bool Overlaps(MatrixProductStep step) => Items(step) > Processors && Seconds(step) <= LongestOverlap;

    /// <summary>Tiles, and parts of tiles, of a step.</summary>
    public long Items(MatrixProductStep step) => Count(step, TileN) * Parts;

    private static bool Allows(MatrixProductStep step, int tileN) => step.Blocks is not { } blocks || blocks.Columns == step.N || blocks.Columns % tileN == 0;

    private static long Count(MatrixProductStep step, int tileN) => Ceiling(step.M, WgmmaProductRules.TileM) * Ceiling(step.N, tileN);

    private static double Time(MatrixProductStep step, int tileN, long tiles, int parts, long stages)
    {
        double stage = tileN switch { 256 => Stage256, 192 => Stage192, _ => Stage128 };
        long all = stages + Ceiling(step.Blocks?.K ?? 0, WgmmaProductRules.TileK);
        double main = Math.Max(step.Bytes / BytesPerMicrosecond, Ceiling(tiles * parts, Processors) * ((all * stage) + (TileFixed * tileN / 256)));
        return parts == 1 ? main : main + SumFixed + (2.0 * sizeof(float) * parts * step.M * step.N / SumBytesPerMicrosecond);
    }

    private static long Ceiling(long value, long by) => (value + by - 1) / by;
}
