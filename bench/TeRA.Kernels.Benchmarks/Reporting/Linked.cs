namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>A result, and where a reader finds it.</summary>
/// <param name="Value">The result.</param>
/// <param name="Link">Relative to the text that shows it; null for none.</param>
internal sealed record Linked<TRow>(ResultFile<TRow> Value, string? Link);
