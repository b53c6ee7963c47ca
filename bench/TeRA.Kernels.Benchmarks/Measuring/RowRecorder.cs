using System.Diagnostics;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>Collects rows, and writes all of them every second, so that a run that is cut short leaves what it has.</summary>
/// <param name="empty">The result without rows.</param>
/// <param name="json">A file; null for none.</param>
internal sealed class RowRecorder<TRow>(ResultFile<TRow> empty, string? json)
{
    private readonly List<TRow> rows = [];
    private long lastWritten = Stopwatch.GetTimestamp();

    /// <summary>What was measured so far.</summary>
    public IReadOnlyList<TRow> Rows => rows;

    /// <summary>Adds a row.</summary>
    public void Add(TRow row)
    {
        rows.Add(row);
        if (Stopwatch.GetElapsedTime(lastWritten).TotalSeconds >= 1)
        {
            Write();
        }
    }

    /// <summary>Writes the rows, and prints under what they were measured.</summary>
    public void Finish()
    {
        Write();
        Console.WriteLine(empty.Circumstances);
    }

    private void Write()
    {
        if (json is not null)
        {
            ResultFile.Write(json, empty with { Rows = rows });
            lastWritten = Stopwatch.GetTimestamp();
        }
    }
}
