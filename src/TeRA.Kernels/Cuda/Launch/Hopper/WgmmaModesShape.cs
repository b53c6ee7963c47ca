using System.Collections.Immutable;
using System.Globalization;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How kernels/kronecker/wgmma_modes.cu is built for a step: the numbers behind its macros, and the sizes that follow from them as they do
/// in the kernel. A pure function of the step and the device's figures.
/// </summary>
/// <param name="DType">Of input and output.</param>
/// <param name="Core">The distribution of a generated input; null for rows in memory.</param>
/// <param name="Transposed">Output[out, o].</param>
/// <param name="Adds">Something is added.</param>
/// <param name="In">Lengths of the modes before.</param>
/// <param name="Out">Lengths after.</param>
/// <param name="Tile">64-row blocks of the small dense factor a warpgroup holds, columns of its tile, stages; whether the two warpgroups split columns instead of rows.</param>
internal sealed record WgmmaModesShape(
    DType DType,
    DistributionKind? Core,
    bool Transposed,
    bool Adds,
    ImmutableArray<int> In,
    ImmutableArray<int> Out,
    (int Chunks, int Columns, int Stages, bool SplitColumns) Tile)
{
    /// <summary>The kernel's argument holds this many.</summary>
    public const int MaxModes = 6;

    private const int Consumers = 2;
    private const int WarpgroupThreads = 128;
    private const int RowBytes = 128;
    private const int Block = 64;
    private const int LongestFirst = 64;

    private const int BarrierBytes = 8;
    private const int BaseAlignment = 1024;

    // What the system keeps of a block's shared memory.
    private const int ReservedShared = 1024;

    private static readonly ImmutableArray<int> Stages = [4, 3, 2];

    /// <summary>Threads of a block.</summary>
    public int Threads => WarpgroupThreads * (Consumers + (Core is null ? 1 : 2));

    /// <summary>Tiles along the dense factor's rows.</summary>
    public int RowTiles => (RestOut + TileRows - 1) / TileRows;

    /// <summary>Length of the first mode along a tile's columns.</summary>
    public int InPadded => In[0] <= 8 ? 8 : In[0] <= 16 ? 16 : In[0] <= 32 ? 32 : 64;

    /// <summary>Length of the first mode in the boxes that are stored.</summary>
    public int OutPadded => (Out[0] + 7) / 8 * 8;

    /// <summary>Rows of the input that a block's tile spans.</summary>
    public int TileTokens => (Tile.SplitColumns ? Consumers : 1) * Tile.Columns / InPadded;

    /// <summary>Rows of the output that one copy stores.</summary>
    public int StoreTokens => Math.Min(OutPadded <= 8 ? 16 : OutPadded <= 16 ? 8 : OutPadded <= 32 ? 4 : 2, Tile.Columns / InPadded);

    /// <summary>Product of the lengths of all modes but the first, before.</summary>
    public int RestIn => Product(In);

    /// <summary>The same, after.</summary>
    public int RestOut => Product(Out);

    /// <summary>Dynamic shared memory of a block.</summary>
    public int SharedBytes =>
        (Tile.Stages * StageBytes) + (Transposed ? 0 : Consumers * StoreTokens * OutPadded * RowBytes) + (RowTiles * TileRows * RestIn * 2)
        + (2 * Tile.Stages * BarrierBytes) + BaseAlignment;

    /// <summary>The macros, in the order of the kernel's list.</summary>
    public ImmutableArray<string> Options =>
    [
        ProductConfig.Macro("DTYPE", (int)DType),
        ProductConfig.Macro("SOURCE", Core is null ? 0 : 1),
        ProductConfig.Macro("DISTRIBUTION", (int)(Core ?? DistributionKind.Normal)),
        ProductConfig.Macro("TRANSPOSED_OUT", Transposed ? 1 : 0),
        ProductConfig.Macro("ADD", Adds ? 1 : 0),
        ProductConfig.Macro("CHUNKS", Tile.Chunks),
        ProductConfig.Macro("SPLIT_COLUMNS", Tile.SplitColumns ? 1 : 0),
        ProductConfig.Macro("COLUMNS", Tile.Columns),
        ProductConfig.Macro("STAGES", Tile.Stages),
        "-DTERA_MODES_IN=" + string.Join(',', In),
        "-DTERA_MODES_OUT=" + string.Join(',', Out),
    ];

    private int TileRows => (Tile.SplitColumns ? 1 : Consumers) * Block * Tile.Chunks;

    private int StageBytes => (Tile.SplitColumns ? Consumers : 1) * Tile.Columns * RowBytes;

    /// <summary>The kernel's configuration for a step, or null with the reason.</summary>
    public static WgmmaModesShape? Choose(KroneckerStep step, DeviceTraits traits, out string rejection)
    {
        rejection = Rejection(step, traits) ?? "";
        if (rejection.Length > 0)
        {
            return null;
        }

        var shape = new WgmmaModesShape(
            step.Output.DType,
            step.Core?.Source.Distribution.Kind,
            step.TransposedOutput,
            step.AddTo is not null,
            [.. step.Modes.Select(mode => (int)mode.In)],
            [.. step.Modes.Select(mode => (int)mode.Out)],
            default);
        foreach ((int, int, int, bool) tile in Tiles(shape))
        {
            WgmmaModesShape candidate = shape with { Tile = tile };
            if (candidate.SharedBytes <= traits.SharedMemoryBytes - ReservedShared)
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
        $"{DType.Label()}, {string.Join('·', In)} → {string.Join('·', Out)}{(Core is null ? "" : $", core {Core}")}{(Transposed ? ", transposed" : "")}{(Adds ? ", added" : "")}, tile {TileRows}×{Tile.Columns * (Tile.SplitColumns ? Consumers : 1)}, {Tile.Stages} stages");

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
            : step.Core is not null && step.TransposedOutput && modes[0].In > Block / 2 ? "a generated core whose first mode is longer than 32"
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

    /// <summary>The tiles to try, the best first. Registers bound the accumulators: 64 rows × 256 columns, or 128 × 128, for a warpgroup.</summary>
    private static IEnumerable<(int Chunks, int Columns, int Stages, bool SplitColumns)> Tiles(WgmmaModesShape shape)
    {
        bool narrow = shape.RestOut <= Block;
        if (shape.Transposed)
        {
            // Eight rows and more, or four at least, make words of a transposed row.
            int columns = shape.Core is null || shape.InPadded > 32 ? 256 : 128;
            int chunks = columns == 128 && shape.RestOut > 2 * Block && shape.InPadded == 16 ? 2 : 1;
            return Stages.Select(stages => (chunks, columns, stages, narrow && columns == 128));
        }

        return Stages.Select(stages => (shape.RestOut > 2 * Block ? 2 : 1, 128, stages, narrow));
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
