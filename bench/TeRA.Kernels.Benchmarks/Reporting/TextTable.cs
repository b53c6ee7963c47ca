using System.Globalization;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>A table that grows row by row on a writer: a name, then columns at the right.</summary>
/// <param name="writer">Where.</param>
/// <param name="nameWidth">Characters of the name.</param>
/// <param name="columns">Headers.</param>
internal sealed class TextTable(TextWriter writer, int nameWidth, params string[] columns)
{
    private const int LeastWidth = 9;
    private bool started;

    /// <summary>Writes a row; numbers below 10 with three digits behind the point, others with one, null as a dash.</summary>
    public void Add(string name, params object?[] values)
    {
        if (!started)
        {
            started = true;
            Write("", columns);
        }

        Write(name, [.. values.Select(Text)]);
    }

    private static string Text(object? value) => value switch
    {
        null => "–",
        double number => number.ToString(Math.Abs(number) < 10 ? "F3" : "F1", CultureInfo.InvariantCulture),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private void Write(string name, string[] cells) =>
        writer.WriteLine(name.PadRight(nameWidth) + string.Concat(cells.Select((cell, i) => " " + cell.PadLeft(Math.Max(LeastWidth, i < columns.Length ? columns[i].Length : 0)))));
}
