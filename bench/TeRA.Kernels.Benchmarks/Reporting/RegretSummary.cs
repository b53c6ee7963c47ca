using System.Globalization;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>Worst and mean regret in a sentence.</summary>
/// <param name="Worst">The point with the largest regret.</param>
/// <param name="Mean">Of all points.</param>
/// <param name="Count">Points.</param>
internal sealed record RegretSummary(RegretRow Worst, double Mean, int Count)
{
    /// <summary>Of at least one point.</summary>
    public static RegretSummary Of(IReadOnlyList<RegretRow> rows) => new(rows.MaxBy(row => row.Regret)!, rows.Average(row => row.Regret), rows.Count);

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"worst regret {100 * Worst.Regret:F1} % ({Worst.Method}, {Worst.OutFeatures}×{Worst.InFeatures}, {Worst.Tokens} tokens), mean {100 * Mean:F1} % of {Count} points");
}
