using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How the sums of a <see cref="ScaledCopiesGradientStep"/> are cut into blocks: tiles of columns and parts of a copy's rows. By the shape alone,
/// so that the results do not depend on the device.
/// </summary>
/// <param name="Width">Threads along a row, four columns each; a multiple of a warp's.</param>
/// <param name="Depth">Rows of a block at a time.</param>
/// <param name="Tiles">Of 4·Width columns.</param>
/// <param name="PartRows">Rows of a copy in one block.</param>
/// <param name="Parts">Of a copy's rows.</param>
internal readonly record struct ScaledCopiesGradientCut(int Width, int Depth, long Tiles, long PartRows, long Parts)
{
    private const int MostThreads = 1024;

    // Of a tile where a row takes several: two such blocks share a multiprocessor.
    private const int ThreadsOfTile = 512;
    private const int Warp = 32;
    private const int Quad = 4;

    // That a thread has under way.
    private const int RowsAtOnce = 4;

    // A large GPU's multiprocessors, a block each.
    private const long WantedBlocks = 128;

    // What a block's shared memory has room for.
    private const long MostPartRows = 128;

    /// <summary>Threads of a block.</summary>
    public int Threads => Width * Depth;

    /// <summary>Shared memory of a block: each group's sums of the columns, and each warp's of the rows.</summary>
    public int SharedBytes => ((Quad * Threads) + ((int)PartRows * (Width / Warp))) * sizeof(float);

    /// <summary>The cut of a step.</summary>
    public static ScaledCopiesGradientCut Of(ScaledCopiesGradientStep step)
    {
        long columns = Math.Max(step.Columns, 1), rows = Math.Max(step.Rows, 1), copies = Math.Max(step.Copies, 1);
        bool whole = columns <= Quad * MostThreads;
        (int width, long tiles) = ElementGrid.RowTiles(columns, Quad, whole ? 1 : ElementGrid.DivideUp(columns, Quad * ThreadsOfTile));
        int depth = (whole ? MostThreads : ThreadsOfTile) / width;
        long wanted = Math.Max(WantedBlocks / (tiles * copies), 1);
        long partRows = Math.Clamp(ElementGrid.DivideUp(rows, wanted), depth, MostPartRows);
        depth = (int)Math.Min(depth, ElementGrid.DivideUp(partRows, RowsAtOnce));
        return new ScaledCopiesGradientCut(width, depth, tiles, partRows, ElementGrid.DivideUp(rows, partRows));
    }
}
