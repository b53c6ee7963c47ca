using System.Collections.Immutable;
using System.Globalization;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How kernels/kronecker/wgmma_modes.cu is built for a step: the numbers behind its macros, and the sizes that follow from them as they do
/// in the kernel. A pure function of the step and the device's figures.
/// </summary>
/// <param name="DType">Of input and output.</param>
/// <param name="Transposed">Output[out, o].</param>
/// <param name="Adds">Something is added.</param>
/// <param name="In">Lengths of the modes before.</param>
/// <param name="Out">Lengths after.</param>
/// <param name="Tile">64-row blocks of the small dense factor a warpgroup holds at once, columns of its tile, stages; whether the two warpgroups split columns instead of rows.</param>
internal sealed record WgmmaModesShape(
    DType DType,
    bool Transposed,
    bool Adds,
    ImmutableArray<int> In,
    ImmutableArray<int> Out,
    (int Chunks, int Columns, int Stages, bool SplitColumns) Tile)
{
    /// <summary>The kernel's argument holds this many.</summary>
    public const int MaxModes = 6;

    /// <summary>Threads of a block: one producer warpgroup, two consumers.</summary>
    public const int Threads = (1 + Consumers) * 128;

    /// <summary>Up to so many tiles a block, blocks with the same input and other rows of the factor stay side by side wherever they run.</summary>
    public const int FewTiles = 4;

    private const int Consumers = 2;
    private const int Warps = 4;

    // Partial sums of marginals: about one block for each processor of an H100, and the same number on every device.
    private const int MarginalBlocks = 128;
    private const int RowBytes = 128;
    private const int Block = 64;
    private const int LongestFirst = 64;
    private const int PassColumns = 128;
    private const int FragmentBytes = 32 * 8;

    private const int BarrierBytes = 8;
    private const int BaseAlignment = 1024;

    // Left of the largest shared memory of a block; shapes were measured so.
    private const int SharedMargin = 1024;

    private static readonly ImmutableArray<int> Stages = [6, 5, 4, 3, 2];

    // Short rows with three stages before long ones with two: measured.
    private static readonly ImmutableArray<int> FewestStages = [3, 2];

    /// <summary>Nothing is stored but the marginals of the results' products with a matrix in memory.</summary>
    public bool Marginals { get; init; }

    /// <summary>The factors are loaded, not made; only where a block keeps to rows of its own.</summary>
    public bool Prepared { get; init; }

    /// <summary>Tiles along the dense factor's rows.</summary>
    public int RowTiles => (RestOut + TileRows - 1) / TileRows;

    /// <summary>Length of the first mode along a tile's columns.</summary>
    public int InPadded => In[0] <= 8 ? 8 : In[0] <= 16 ? 16 : In[0] <= 32 ? 32 : 64;

    /// <summary>Length of the first mode in the boxes that are stored.</summary>
    public int OutPadded => (Out[0] + 7) / 8 * 8;

    /// <summary>Rows of the input that a block's tile spans.</summary>
    public int TileTokens => Parts * Tile.Columns / InPadded * Rounds;

    /// <summary>Rows of the input that one copy brings.</summary>
    public int PassTokens => PassColumns / InPadded;

    /// <summary>Rows of the output that one copy stores.</summary>
    public int StoreTokens => Math.Min(Math.Max(1, (OutPadded <= 8 ? 8 : OutPadded <= 16 ? 4 : OutPadded <= 32 ? 2 : 1) / (Marginals ? 2 : 1)), Tile.Columns / InPadded);

    /// <summary>Partial sums that a row's marginal has: one for each warp that has its columns.</summary>
    public int RowLayers => RowTiles * Warps * (Tile.SplitColumns ? 1 : Consumers);

    /// <summary>Length of the transposed rows that one copy stores, and the numbers of them along the first mode and the others.</summary>
    public (int Tokens, int First, int Others) Unit => (Math.Min(32, Tile.Columns / InPadded), 8, 8);

    /// <summary>Product of the lengths of all modes but the first, before.</summary>
    public int RestIn => Product(In);

    /// <summary>The same, after.</summary>
    public int RestOut => Product(Out);

    /// <summary>Rows of the dense factor that a block holds; one that writes transposed rows, or sums, only those of its own tiles.</summary>
    public int FactorRows => KeepsRows ? TileRows : RowTiles * TileRows;

    /// <summary>Dynamic shared memory of a block.</summary>
    public int SharedBytes =>
        (Tile.Stages * StageBytes) + StagingBytes + (FactorRows * RestIn * 2) + ((InPadded + 15) / 16 * OutPadded / 8 * FragmentBytes)
        + (((2 * Tile.Stages) + (Transposed ? Consumers * Warps * Buffers : Marginals ? Consumers * Buffers * 2 : 0)) * BarrierBytes) + BaseAlignment;

    /// <summary>The macros, in the order of the kernel's list.</summary>
    public ImmutableArray<string> Options =>
    [
        ProductConfig.Macro("DTYPE", (int)DType),
        ProductConfig.Macro("TRANSPOSED_OUT", Transposed ? 1 : 0),
        ProductConfig.Macro("ADD", Adds ? 1 : 0),
        ProductConfig.Macro("MARGINALS", Marginals ? 1 : 0),
        ProductConfig.Macro("CHUNKS", Tile.Chunks),
        ProductConfig.Macro("SPLIT_COLUMNS", Tile.SplitColumns ? 1 : 0),
        ProductConfig.Macro("COLUMNS", Tile.Columns),
        ProductConfig.Macro("STAGES", Tile.Stages),
        ProductConfig.Macro("PREPARED", Prepared ? 1 : 0),
        "-DTERA_MODES_IN=" + string.Join(',', In),
        "-DTERA_MODES_OUT=" + string.Join(',', Out),
    ];

    // Tiles that the warpgroups cut along the columns.
    private int Parts => Tile.SplitColumns ? Consumers : 1;

    private int TileRows => (Tile.SplitColumns ? 1 : Consumers) * Block * Tile.Chunks;

    private bool KeepsRows => Transposed || Marginals;

    private int StageBytes => Parts * PassColumns * RowBytes;

    // That what leaves takes turns with.
    private int Buffers => Marginals ? 4 : Transposed ? 3 : 2;

    // Rows of a single word go without the copy engine, and in two rounds where nothing is added.
    private bool Words => Transposed && Tile.Columns / InPadded == 8;

    private int Rounds => Words && !Adds ? 2 : 1;

    // The first round's words wait, a group of eight of the first mode after the other: sixteen bytes a thread, four times.
    private int StagingBytes =>
        Rounds == 2 ? Consumers * OutPadded / 8 * 4 * Warps * 32 * 16
        : Words ? 0
        : Consumers * Buffers * (Transposed ? Warps * Unit.Tokens * Unit.First * Unit.Others * 2 : StoreTokens * OutPadded * RowBytes);

    // The last stages hold the factors in float32, each from a multiple of 16 bytes, until the small dense one is made of them.
    private int TableStages => Prepared ? 0 : (In.Zip(Out, (i, o) => ((i * o) + 3) / 4 * 16).Sum() + StageBytes - 1) / StageBytes;

    /// <summary>Tiles along the rows that a block sums up.</summary>
    public int MarginalGroup(long tokens) => (int)((TokenTiles(tokens) * RowTiles) + MarginalBlocks - 1) / MarginalBlocks;

    /// <summary>Partial sums that a column's marginal has.</summary>
    public int ColumnLayers(long tokens) => (TokenTiles(tokens) + MarginalGroup(tokens) - 1) / MarginalGroup(tokens) * Parts;

    /// <summary>Tiles along the rows.</summary>
    public int TokenTiles(long tokens) => (int)((tokens + TileTokens - 1) / TileTokens);

    /// <summary>The kernel's configuration for marginals of a product's rows, or null with the reason.</summary>
    public static WgmmaModesShape? Choose(CoreMarginalsStep step, DeviceTraits traits, out string rejection)
    {
        if (step is { Contraction: { } product, Generated: { } core })
        {
            rejection = product.TransposedOutput || core.DType != product.Output.DType ? "a transposed product, or another dtype beside it" : "";
            return rejection.Length > 0 ? null : Choose(product, traits, marginals: true, out rejection);
        }

        rejection = "no product of rows, or no core in memory";
        return null;
    }

    /// <summary>The kernel's configuration for a step, or null with the reason.</summary>
    public static WgmmaModesShape? Choose(KroneckerStep step, DeviceTraits traits, out string rejection) => Choose(step, traits, marginals: false, out rejection);

    private static WgmmaModesShape? Choose(KroneckerStep step, DeviceTraits traits, bool marginals, out string rejection)
    {
        rejection = Rejection(step, traits) ?? "";
        if (rejection.Length > 0)
        {
            return null;
        }

        var shape = new WgmmaModesShape(
            step.Output.DType,
            step.TransposedOutput,
            step.AddTo is not null,
            [.. step.Modes.Select(mode => (int)mode.In)],
            [.. step.Modes.Select(mode => (int)mode.Out)],
            default) { Marginals = marginals, Prepared = step.Prepared is not null && (step.TransposedOutput || marginals) };
        foreach ((int, int, int, bool) tile in Tiles(shape, step.Outer, traits.Processors))
        {
            WgmmaModesShape candidate = shape with { Tile = tile };
            if (candidate.Tile.Stages > candidate.TableStages && candidate.SharedBytes <= traits.SharedMemoryBytes - SharedMargin)
            {
                return candidate;
            }
        }

        rejection = "modes after the first that are too long for shared memory";
        return null;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{DType.Label()}, {string.Join('·', In)} → {string.Join('·', Out)}{(Transposed ? ", transposed" : "")}{(Adds ? ", added" : "")}{(Marginals ? ", marginals" : "")}{(Prepared ? ", prepared" : "")}, tile {TileRows}×{Tile.Columns * Parts}, {Tile.Stages} stages");

    private static string? Rejection(KroneckerStep step, DeviceTraits traits)
    {
        DType dtype = step.Output.DType;
        ImmutableArray<KroneckerMode> modes = step.Modes;
        return traits.Architecture != WgmmaProductRules.Architecture ? "not compute capability 9.0"
            : dtype is not (DType.BFloat16 or DType.Float16) || (step.Input is { } input && input.DType != dtype) ? "operands that are not one 16-bit dtype"
            : step.Inner != 1 ? "inner indices"
            : step.Outer is < Block or > int.MaxValue - 4096 ? "fewer than 64 rows, or more than 32 bits"
            : step.InputScale is not null && step.ModeScales.IsDefaultOrEmpty ? "a scale that is no outer product of the modes'"
            : step.AddTo is not null && !step.TransposedOutput ? "an addition to rows"
            : step.TransposedOutput && step.Outer % 8 != 0 ? "transposed rows that are no multiple of 16 bytes"
            : Modes(modes);
    }

    private static string? Modes(ImmutableArray<KroneckerMode> modes)
    {
        long restIn = modes.Skip(1).Aggregate(1L, (product, mode) => product * mode.In), restOut = modes.Skip(1).Aggregate(1L, (product, mode) => product * mode.Out);
        return modes.Length is < 2 or > MaxModes ? "one mode, or more than six"
            : modes.Any(mode => mode.In < 1 || mode.Out < 1) || modes[0].In > LongestFirst || modes[0].Out > LongestFirst ? "a first mode longer than 64"
            : restIn % Block != 0 || restIn > 1024 || restOut % 8 != 0 || restOut > 1024 ? "modes after the first whose product is no multiple of 64 (8 after), or above 1024"
            : null;
    }

    /// <summary>The tiles to try, the best first. Registers bound the accumulators of one pass: 64 rows × 128 columns for a warpgroup, or 128 × 128.</summary>
    private static IEnumerable<(int Chunks, int Columns, int Stages, bool SplitColumns)> Tiles(WgmmaModesShape shape, long tokens, int processors)
    {
        bool narrow = shape.RestOut <= Block;
        if (!shape.Transposed)
        {
            // Marginals keep their sums in registers beside one block's accumulators.
            return Stages.Select(stages => (shape.RestOut > 2 * Block && !shape.Marginals ? 2 : 1, PassColumns, stages, narrow));
        }

        // Eight rows make a word. Longer transposed rows, up to 64 bytes, while there is a tile for every processor and three stages fit.
        int shortest = Math.Max(PassColumns, 8 * shape.InPadded), longest = Math.Min(4 * PassColumns, 32 * shape.InPadded);
        WgmmaModesShape longer = shape with { Tile = (1, longest, 1, narrow) };
        bool enough = (tokens + longer.TileTokens - 1) / longer.TileTokens * longer.RowTiles >= processors;
        return
            from fewest in FewestStages
            from columns in ImmutableArray.Create(longest, longest / 2, shortest)
            where columns == shortest || (enough && columns > shortest)
            from stages in Stages
            where stages >= fewest
            select (1, columns, stages, narrow);
    }

    private static int Product(ImmutableArray<int> lengths)
    {
        int product = 1;
        for (int i = 1; i < lengths.Length; i++)
        {
            product *= lengths[i];
        }

        return product;
    }
}
