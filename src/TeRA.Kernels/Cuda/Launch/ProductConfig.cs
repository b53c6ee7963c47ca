using System.Collections.Immutable;
using System.Globalization;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>The compile-time configuration of a portable product kernel: the macros of kernels/gemm/config.cuh.</summary>
/// <param name="DType">dtype of A and B.</param>
/// <param name="TransposedA">Memory holds K×M.</param>
/// <param name="TransposedB">Memory holds N×K.</param>
/// <param name="Tile">A block's tile of C, and the depth of one pipeline stage.</param>
/// <param name="Warps">How a block's warps share its tile.</param>
/// <param name="Stages">Slots of the pipeline.</param>
internal sealed record ProductConfig(
    DType DType, bool TransposedA, bool TransposedB, (int M, int N, int K) Tile, (int M, int N) Warps, int Stages)
{
    /// <summary>How the second product's B lies in memory; null where there is none.</summary>
    public Layout? Blocks { get; init; }

    /// <summary>Threads of a block.</summary>
    public int Threads => Warps.M * Warps.N * 32;

    /// <summary>Dynamic shared memory of a block: the pipeline's stages, or the float32 tile that takes their place afterwards (output.cuh's stride).</summary>
    public int SharedBytes => Math.Max(Stages * (Tile.M + Tile.N) * Tile.K * DType.Size(), Tile.M * (Tile.N + 8) * sizeof(float));

    /// <summary>The macros, in the order of the header.</summary>
    public ImmutableArray<string> Options =>
    [
        Macro("DTYPE", (int)DType),
        Macro("TRANSPOSED_A", TransposedA ? 1 : 0),
        Macro("TRANSPOSED_B", TransposedB ? 1 : 0),
        Macro("TILE_M", Tile.M),
        Macro("TILE_N", Tile.N),
        Macro("TILE_K", Tile.K),
        Macro("WARPS_M", Warps.M),
        Macro("WARPS_N", Warps.N),
        Macro("STAGES", Stages),
        .. Blocks is { } layout ? [Macro("BLOCKS", layout == Layout.Transposed ? 2 : 1)] : ImmutableArray<string>.Empty,
    ];

    /// <summary>A macro option of every kernel of this library: <c>-DTERA_NAME=value</c>.</summary>
    public static string Macro(string name, int value) => string.Create(CultureInfo.InvariantCulture, $"-DTERA_{name}={value}");

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{DType.Label()}, A{(TransposedA ? "ᵀ" : "")}·B{(TransposedB ? "ᵀ" : "")}{(Blocks is { } layout ? $" + A·B{(layout == Layout.Transposed ? "ᵀ" : "")} by blocks" : "")}, tile {Tile.M}×{Tile.N}×{Tile.K}, {Warps.M}×{Warps.N} warps, {Stages} stages");
}
