using System.Globalization;
using System.Xml.Linq;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>
/// The price of a step by method as an SVG of bars, ours against theirs. Written here, in a hundred lines: the plotting libraries either draw through native
/// code or a browser, or know nothing of a reader's dark background.
/// </summary>
internal static class StepPlot
{
    private const int Width = 760;
    private const int Left = 190;
    private const int Right = 60;
    private const int Top = 64;
    private const int BarHeight = 11;
    private const int RowHeight = 32;

    private const string Style = """
        text{font:13px system-ui,sans-serif;fill:#1f2328} .small{font-size:11px;fill:#59636e} .title{font-size:15px;font-weight:600}
        .ours{fill:#0f766e} .theirs{fill:#b9a37e} .grid{stroke:#d1d9e0} .frozen{stroke:#1f2328;stroke-dasharray:4 3}
        @media(prefers-color-scheme:dark){text{fill:#e6edf3} .small{fill:#9198a1} .ours{fill:#2dd4bf} .theirs{fill:#8a7654} .grid{stroke:#3d444d} .frozen{stroke:#e6edf3}}
        """;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>Draws the rows of the main shape.</summary>
    /// <param name="rows">All compared rows.</param>
    /// <param name="subtitle">Under what they were measured.</param>
    /// <exception cref="InvalidDataException">There is none of the main shape.</exception>
    public static string Draw(IReadOnlyList<ComparedRow> rows, string subtitle)
    {
        ComparedRow[] shown = [.. rows.Where(row => row.Shape == LayerShape.Main && !row.IsAlternative && row.Theirs?.AdapterDtype is null or "bfloat16")];
        if (shown.Length == 0)
        {
            throw new InvalidDataException($"Expected results for {LayerShape.Main}, found none.");
        }

        double end = Math.Ceiling(2 * shown.Max(row => Math.Max(row.Ours?.Step ?? 0, row.Theirs?.Step ?? 0))) / 2;
        int height = Top + (shown.Length * RowHeight) + 40;
        var root = new XElement(
            Svg + "svg",
            new XAttribute("viewBox", $"0 0 {Width} {height}"),
            new XAttribute("width", Width),
            new XAttribute("height", height),
            new XAttribute("role", "img"),
            new XElement(Svg + "title", $"Step of an adapted layer, {LayerShape.Main}, as a ratio to the frozen layer"),
            new XElement(Svg + "style", Style),
            Label(16, 22, $"Forward and backward of an adapted layer, {LayerShape.Main}, frozen layer = 1", "title"),
            Label(16, 40, subtitle, "small"));
        for (double tick = 0; tick <= end; tick += end > 6 ? 1 : 0.5)
        {
            root.Add(Line(X(tick, end), Top - 6, Top + (shown.Length * RowHeight), tick == 1 ? "frozen" : "grid"));
            root.Add(Label(X(tick, end), Top + (shown.Length * RowHeight) + 14, Number(tick, "0.#"), "small", "middle"));
        }

        for (int i = 0; i < shown.Length; i++)
        {
            int y = Top + (i * RowHeight);
            root.Add(Label(Left - 10, y + 16, shown[i].Title, "", "end"));
            root.Add(Bar(shown[i].Ours?.Step, end, y, "ours"), Bar(shown[i].Theirs?.Step, end, y + BarHeight + 1, "theirs"));
        }

        root.Add(Legend(height - 12));
        return root + "\n";
    }

    private static double X(double ratio, double end) => Left + (ratio / end * (Width - Left - Right));

    private static object[] Bar(double? ratio, double end, int y, string kind) => ratio is not { } value ? [] :
    [
        new XElement(
            Svg + "rect", new XAttribute("class", kind), new XAttribute("x", Left), new XAttribute("y", y), new XAttribute("height", BarHeight), new XAttribute("width", Number(X(value, end) - Left, "F1"))),
        Label(X(value, end) + 5, y + BarHeight - 1, Number(value, "F2"), "small"),
    ];

    private static object[] Legend(int y) =>
    [
        new XElement(Svg + "rect", new XAttribute("class", "ours"), new XAttribute("x", Left), new XAttribute("y", y - 9), new XAttribute("width", 12), new XAttribute("height", 10)),
        Label(Left + 18, y, "TeRA.Kernels", "small"),
        new XElement(Svg + "rect", new XAttribute("class", "theirs"), new XAttribute("x", Left + 120), new XAttribute("y", y - 9), new XAttribute("width", 12), new XAttribute("height", 10)),
        Label(Left + 138, y, "PyTorch with PEFT, bf16 adapters; TeRA in PyTorch, its fastest way", "small"),
    ];

    private static XElement Line(double x, int from, int to, string kind) =>
        new(Svg + "line", new XAttribute("class", kind), new XAttribute("x1", Number(x, "F1")), new XAttribute("x2", Number(x, "F1")), new XAttribute("y1", from), new XAttribute("y2", to));

    private static XElement Label(double x, int y, string text, string kind, string anchor = "start") =>
        new(Svg + "text", new XAttribute("class", kind), new XAttribute("x", Number(x, "F1")), new XAttribute("y", y), new XAttribute("text-anchor", anchor), text);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
