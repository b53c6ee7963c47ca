using System.Globalization;
using System.Text;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>The part of the README that shows what was measured: rendered from result files, never written by hand.</summary>
internal static class ReadmeTable
{
    /// <summary>The line before it.</summary>
    public const string Begin = "<!-- measured: written by `bench readme` from the result files -->";

    /// <summary>The line after it.</summary>
    public const string End = "<!-- end of what was measured -->";

    private const long Longest = 14336;

    /// <summary>Renders it.</summary>
    /// <param name="ours">Our layers.</param>
    /// <param name="theirs">PyTorch's; null for none.</param>
    /// <param name="products">Our products, with a link to all of them; null for none.</param>
    /// <param name="plot">Link to the plot; null for none.</param>
    public static string Render(ResultFile<LayerRow> ours, ResultFile<PeerRow>? theirs, Linked<ProductRow>? products, string? plot)
    {
        IReadOnlyList<ComparedRow> rows = [.. Comparison.Of(ours, theirs).Where(IsShown)];
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{ours.Circumstances}; bfloat16; ratios to the frozen layer in the same process, so 1.00 is a layer without an adapter.\n");
        text.Append("A step is forward, dX and the gradients of everything trained; in brackets with W kept from forward to backward, where that differs.\n");
        text.Append(Agreement(ours));
        text.Append(theirs is null ? "\n" : $"Theirs: {theirs.Circumstances}.\n\n");
        text.Append("| | forward | step | extra memory of a step, MiB | PyTorch + PEFT: forward | step |\n|---|---|---|---|---|---|\n");
        foreach (ComparedRow row in rows)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {row.Title}, {row.Shape} | {Number(row.Ours?.Forward)} | {Step(row)} | {Memory(row.Ours)} | {Number(row.Theirs?.Forward)} | {Number(row.Theirs?.Step)}{Variant(row)} |\n");
        }

        text.Append('\n');
        if (plot is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"![Price of a step by method, ours and theirs]({plot})\n\n");
        }

        text.Append(Slower(rows, products));
        return text.ToString();
    }

    /// <summary>Puts it between two lines of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="rendered">What is put in, for what was there.</param>
    /// <param name="first">The line before it.</param>
    /// <param name="last">The line after it.</param>
    /// <exception cref="InvalidDataException">The text has no such lines.</exception>
    public static string Insert(string text, string rendered, string first = Begin, string last = End)
    {
        int begin = text.IndexOf(first, StringComparison.Ordinal), end = text.IndexOf(last, StringComparison.Ordinal);
        return begin >= 0 && end > begin
            ? text[..(begin + first.Length)] + "\n" + rendered + text[end..]
            : throw new InvalidDataException($"Expected the lines '{first}' and '{last}', in this order.");
    }

    // All rows are in the result files; the README shows what one chooses by.
    private static bool IsShown(ComparedRow row) =>
        row.Shape == LayerShape.Main
            ? !row.IsAlternative
            : row.Ours is not null && row.Title.StartsWith("TeRA", StringComparison.Ordinal) && (row.Shape.Layers > 1 || Math.Max(row.Shape.OutFeatures, row.Shape.InFeatures) == Longest);

    private static string Number(double? value) => value?.ToString("F2", CultureInfo.InvariantCulture) ?? "–";

    private static string Step(ComparedRow row)
    {
        string step = Number(row.Ours?.Step), keeping = Number(row.Keeping?.Step);
        return row.Keeping is null || step == keeping ? step : $"{step} ({keeping})";
    }

    private static string Memory(LayerRow? row) => row is null ? "–" : (row.StatedBytes / (double)(1 << 20)).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Agreement(ResultFile<LayerRow> ours)
    {
        string[] others = [.. ours.Rows.Where(row => !row.BytesAgree).Select(row => $"{row.Title} ({row.Policy})").Distinct()];
        string text = "Memory is what the plan states. The driver's free memory, which it counts in blocks of 2 MiB, showed the same";
        return others.Length == 0 ? $"{text}.\n" : $"{text}, but for {List(others)}.\n";
    }

    private static string Variant(ComparedRow row) => row.TheirVariant.Length > 0 ? $" ({row.TheirVariant})" : "";

    private static string Slower(IReadOnlyList<ComparedRow> rows, Linked<ProductRow>? products)
    {
        ComparedRow[] measured = [.. rows.Where(row => row.Ours is not null)];
        string[] aboveFrozen = [.. measured.Where(row => row.Ours!.Forward > 1 || row.Ours.Step > 1).Select(Name)];
        var text = new StringBuilder("Where we are slower. Than the frozen layer: ").Append(aboveFrozen.Length == measured.Length ? "in every row." : $"{List(aboveFrozen)}.");
        if (measured.Any(row => row.Theirs is not null))
        {
            text.Append(CultureInfo.InvariantCulture, $" Than the same method in PyTorch: {List(measured.Where(row => row.WeAreSlower).Select(Name))}.");
        }

        if (rows.FirstOrDefault(row => row.Theirs?.Method == "full_ft" && row.Shape == LayerShape.Main)?.Theirs is { } full)
        {
            text.Append(CultureInfo.InvariantCulture, $" Than a step of full fine-tuning in PyTorch, without its optimiser: {List(measured.Where(row => row.Shape == LayerShape.Main && row.Ours!.Step > full.Step).Select(Name))}.");
        }

        if (products is not null)
        {
            string every = products.Link is null ? "" : $" ([every shape]({products.Link}))";
            text.Append(CultureInfo.InvariantCulture, $" Than cuBLASLt's fastest algorithm by more than 3 %: {List(SlowProducts.Groups(products.Value.Rows))}{every}.");
        }

        return text.Append('\n').ToString();
    }

    private static string Name(ComparedRow row) => $"{row.Title}, {row.Shape}";

    private static string List(IEnumerable<string> names) => string.Join("; ", names) is { Length: > 0 } list ? list : "nowhere";
}
