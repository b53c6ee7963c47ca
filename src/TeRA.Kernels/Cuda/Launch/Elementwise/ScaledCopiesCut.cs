using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>How a <see cref="ScaledCopiesStep"/> is cut into blocks: tiles of columns and parts of a copy's rows. No result depends on it.</summary>
/// <param name="Width">Threads along a row, eight columns each; a multiple of a warp's.</param>
/// <param name="Depth">Rows of a block at a time.</param>
/// <param name="Tiles">Of 8·Width columns.</param>
/// <param name="PartRows">Rows of a copy in one block.</param>
/// <param name="Parts">Of a copy's rows.</param>
internal readonly record struct ScaledCopiesCut(int Width, int Depth, long Tiles, long PartRows, long Parts)
{
    private const int ThreadColumns = 8;

    // Of rows, so that stores begin early.
    private const int MostRounds = 4;

    // As many are wanted, so that those that end early make room for others.
    private const int BlocksPerProcessor = 16;

    /// <summary>Threads of a block.</summary>
    public int Threads => Width * Depth;

    /// <summary>The cut of a step.</summary>
    public static ScaledCopiesCut Of(ScaledCopiesStep step, int processors)
    {
        long columns = Math.Max(step.Columns, 1), rows = Math.Max(step.Rows, 1), copies = Math.Max(step.Copies, 1);
        (int width, long tiles) = ElementGrid.RowTiles(columns, ThreadColumns, ElementGrid.DivideUp(columns, ThreadColumns * ElementGrid.Threads));
        int depth = ElementGrid.Threads / width;
        long wanted = Math.Max(BlocksPerProcessor * (long)processors / (tiles * copies), 1);
        long partRows = Math.Min(ElementGrid.DivideUp(ElementGrid.DivideUp(rows, wanted), depth), MostRounds) * depth;
        return new ScaledCopiesCut(width, depth, tiles, partRows, ElementGrid.DivideUp(rows, partRows));
    }
}
