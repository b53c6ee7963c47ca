using System.Globalization;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How a portable product is cut into blocks. It depends on the shape alone, never on the device: so do the orders of all sums, and
/// the same numbers give the same bits on every GPU.
/// </summary>
/// <param name="Config">The kernel.</param>
/// <param name="TilesM">Tile rows of C.</param>
/// <param name="TilesN">Tile columns of C.</param>
/// <param name="Parts">Blocks that share one tile's sum; above 1 their results meet in a workspace, in order.</param>
/// <param name="PartLength">Of K for one block, a multiple of the tile's depth.</param>
internal sealed record ProductSchedule(ProductConfig Config, uint TilesM, uint TilesN, int Parts, long PartLength)
{
    /// <summary>Fewer blocks than this leave most of a large GPU idle.</summary>
    public const int EnoughBlocks = 96;

    /// <summary>Splitting a sum aims at this many blocks.</summary>
    public const int WantedBlocks = 128;

    /// <summary>Parts shorter than this cost more in the second pass than they win.</summary>
    public const int ShortestPart = 512;

    private const int MostParts = 64;
    private const long MostTiles = 1 << 28;

    /// <summary>Blocks along x.</summary>
    public uint Tiles => TilesM * TilesN;

    /// <summary>Takes <paramref name="large"/> where it gives enough blocks, otherwise <paramref name="small"/>, and splits long sums of small outputs.</summary>
    /// <param name="large">The configuration with the most reuse.</param>
    /// <param name="small">The one with the most blocks.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="width">Columns of a block of C, whose tiles are its own; 0 where C is one block.</param>
    public static ProductSchedule Choose(ProductConfig large, ProductConfig small, long m, long n, long k, long width = 0) =>
        Create(Tiling(large, m, n, width).Count >= EnoughBlocks && (width == 0 || width > small.Tile.N) ? large : small, m, n, k, width);

    /// <summary>The schedule of a configuration.</summary>
    /// <exception cref="NotSupportedException">C has more tiles than a grid holds.</exception>
    public static ProductSchedule Create(ProductConfig config, long m, long n, long k, long width = 0)
    {
        (long rows, long columns, double count) = Tiling(config, m, n, width);
        if (count > MostTiles)
        {
            throw new NotSupportedException(
                $"A product of {m}×{n} elements has {count} tiles of {config.Tile.M}×{config.Tile.N}; a grid holds {MostTiles}. Cut it into smaller steps.");
        }

        long wanted = Math.Min(CeilingDivide(WantedBlocks, Math.Max((long)count, 1)), Math.Min(k / ShortestPart, MostParts));
        long parts = count >= EnoughBlocks ? 1 : Math.Max(wanted, 1);
        long length = Math.Max(CeilingDivide(CeilingDivide(k, parts), config.Tile.K), 1) * config.Tile.K;
        return new ProductSchedule(config, (uint)rows, (uint)columns, (int)Math.Max(CeilingDivide(k, length), 1), length);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Config}, {TilesM}×{TilesN} tiles{(Parts > 1 ? $", sum in {Parts} parts of {PartLength}" : "")}");

    private static (long Rows, long Columns, double Count) Tiling(ProductConfig config, long m, long n, long width)
    {
        long rows = CeilingDivide(m, config.Tile.M);
        long columns = width == 0 ? CeilingDivide(n, config.Tile.N) : n / width * CeilingDivide(width, config.Tile.N);
        return (rows, columns, (double)rows * columns);
    }

    private static long CeilingDivide(long value, long by) => (value / by) + (value % by == 0 ? 0 : 1);
}
