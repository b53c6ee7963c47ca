using System.Collections.Immutable;

namespace TeRA.Kernels.Verification;

/// <summary>The sizes of one TeRA layer problem.</summary>
/// <param name="Tokens">B.</param>
/// <param name="RowModes">J₁…J_p.</param>
/// <param name="RowRanks">R₁…R_p.</param>
/// <param name="ColumnModes">I₁…I_q.</param>
/// <param name="ColumnRanks">S₁…S_q.</param>
internal sealed record LayerShape(
    long Tokens, ImmutableArray<long> RowModes, ImmutableArray<long> RowRanks, ImmutableArray<long> ColumnModes, ImmutableArray<long> ColumnRanks)
{
    /// <summary>N.</summary>
    public long OutFeatures => RowModes.Aggregate(1L, (product, length) => product * length);

    /// <summary>K.</summary>
    public long InFeatures => ColumnModes.Aggregate(1L, (product, length) => product * length);

    /// <summary>The update of this shape.</summary>
    public TeraUpdate Tera(Distribution distribution, ulong seed = 42, double scale = 1) =>
        new(RowModes, RowRanks, ColumnModes, ColumnRanks, seed, distribution, scale);

    /// <summary>The update of this shape whose α is exactly <paramref name="alpha"/>, a power of two.</summary>
    public TeraUpdate TeraWithAlpha(Distribution distribution, double alpha, ulong seed = 42)
    {
        double ranks = RowRanks.Concat(ColumnRanks).Aggregate(1.0, (product, rank) => product * rank);
        return Tera(distribution, seed, alpha * Math.Sqrt(ranks * InFeatures));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"B {Tokens}, {Side(RowModes, RowRanks)} x {Side(ColumnModes, ColumnRanks)}";

    private static string Side(ImmutableArray<long> modes, ImmutableArray<long> ranks) => $"{string.Join('·', modes)} (ranks {string.Join('·', ranks)})";
}
