namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>Points of the regret's grid as rows of a text: measured and predicted times of all pairs of paths, the choice, the regret.</summary>
/// <param name="writer">Where.</param>
internal sealed class RegretTable(TextWriter writer)
{
    private readonly TextTable table = new(writer, 44, "merged_us", "predicted", "factored_us", "predicted", "mer+fac_us", "predicted", "fac+mer_us", "predicted", "choice", "regret");

    /// <summary>Writes a row.</summary>
    public void Add(RegretRow row) =>
        table.Add($"{row.Method}, {row.Shape}", [.. row.Paths.SelectMany(path => new object[] { path.Us, path.PredictedUs }), row.Choice, $"{row.Regret:P1}"]);
}
