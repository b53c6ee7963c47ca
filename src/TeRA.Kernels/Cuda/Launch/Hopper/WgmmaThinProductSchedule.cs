using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How a product with a short side is cut into blocks. It depends on the shape alone, never on the device, and so do the orders of all sums.
/// </summary>
/// <param name="ShortTile">Columns of a tile: the short side, up to 64, 128 or 256.</param>
/// <param name="LongTile">Rows of a tile.</param>
/// <param name="Parts">Of K: the blocks of a cluster, which add up their tiles.</param>
/// <param name="Stages">Of the ring.</param>
internal readonly record struct WgmmaThinProductSchedule(int ShortTile, int LongTile, int Parts, int Stages)
{
    // Sums shorter than this are not cut, and not in four or in eight.
    private const long LeastCutDepth = 1024;
    private const long LeastDepthOfFour = 2048;
    private const long LeastDepthOfEight = 4096;

    // A card's groups of multiprocessors have room for all clusters of so few tiles.
    private const long MostTilesInFour = 16;
    private const long MostTilesInEight = 8;

    // With more blocks than this two of them should share a multiprocessor, each with half of the stages. The H100's multiprocessors.
    private const long BlocksOfOneWave = 132;

    // Of the short side; such tiles are taken where there are many only.
    private const int LongestTile = 256;

    private const int BaseAlignment = 1024;

    /// <summary>Every one that <see cref="Choose"/> may return.</summary>
    public static ReadOnlySpan<WgmmaThinProductSchedule> All => Schedules;

    /// <summary>Threads: a warpgroup for 64 rows, and the producer's warp.</summary>
    public int Threads => (LongTile * 2) + 32;

    /// <summary>Shared memory of a block.</summary>
    public int SharedBytes => (Stages * (LongTile + ShortTile) * WgmmaProductRules.TileK * 2) + (2 * Stages * sizeof(long)) + BaseAlignment;

    private static WgmmaThinProductSchedule[] Schedules { get; } =
    [
        new(64, 64, 1, 12), new(64, 64, 2, 12), new(64, 64, 4, 12), new(64, 64, 8, 12), new(64, 64, 1, 6),
        new(128, 64, 1, 8), new(128, 64, 2, 8), new(128, 64, 4, 8), new(128, 64, 8, 8),
        new(256, 128, 1, 4), new(256, 128, 2, 4),
    ];

    /// <summary>The schedule of a step that <see cref="WgmmaThinProductRules"/> takes.</summary>
    public static WgmmaThinProductSchedule Choose(MatrixProductStep step)
    {
        (long shortSide, long longSide) = (Math.Min(step.M, step.N), Math.Max(step.M, step.N));
        int tile = shortSide <= 64 ? 64 : shortSide <= 128 ? 128 : 256, rows = tile == 256 ? 128 : 64;
        long tiles = WgmmaProductRules.TilesOf(longSide, rows);

        int parts = PartsOf(tile, tiles, step.K);
        int stages = tile == 256 ? 4 : tile == 128 ? 8 : tiles * parts <= BlocksOfOneWave ? 12 : 6;
        return new WgmmaThinProductSchedule(tile, rows, parts, stages);
    }

    // Clusters of four and more fit a card's groups of multiprocessors badly: of 32 of four some were left to a second wave (bench/NOTES.md).
    private static int PartsOf(int tile, long tiles, long depth) => (tiles, depth) switch
    {
        ( <= MostTilesInEight, >= LeastDepthOfEight) when tile < LongestTile => 8,
        ( <= MostTilesInFour, >= LeastDepthOfFour) when tile < LongestTile => 4,
        _ => 2 * tiles <= BlocksOfOneWave && depth >= LeastCutDepth ? 2 : 1,
    };

    /// <summary>Of K for one block, a multiple of a stage's depth.</summary>
    public long PartLength(long depth) =>
        WgmmaProductRules.TilesOf(WgmmaProductRules.TilesOf(depth, Parts), WgmmaProductRules.TileK) * WgmmaProductRules.TileK;
}
