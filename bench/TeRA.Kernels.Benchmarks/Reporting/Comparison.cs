namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>One method on one shape, ours and theirs as far as they were measured.</summary>
/// <param name="Shape">The problem.</param>
/// <param name="Title">The method.</param>
/// <param name="Ours">Ours, W rebuilt in backward.</param>
/// <param name="Keeping">Ours, keeping W or the contractions.</param>
/// <param name="Theirs">PyTorch's fastest step.</param>
internal sealed record ComparedRow(LayerShape Shape, string Title, LayerRow? Ours, LayerRow? Keeping, PeerRow? Theirs)
{
    /// <summary>How theirs was computed, where there were several ways.</summary>
    public string TheirVariant => Theirs is null ? "" : string.Join(" ", new[] { Theirs.Variant, Theirs.Compiled ? "compiled" : "" }.Where(part => part.Length > 0));

    /// <summary>A second way of ours to compute the same method, of interest to those who tune it.</summary>
    public bool IsAlternative => Ours?.Method.EndsWith("_seed", StringComparison.Ordinal) == true;

    /// <summary>Theirs is faster in forward or step.</summary>
    public bool WeAreSlower => Ours is not null && Theirs is not null && (Ours.Forward > Theirs.Forward || Ours.Step > Theirs.Step);
}

/// <summary>Brings our results and the peers' together, by method and shape.</summary>
internal static class Comparison
{
    private const string OrdinaryDtype = "bfloat16";

    private static readonly Dictionary<string, string> TheirTitles = new()
    {
        ["full_ft"] = "full fine-tuning",
        ["lora_r16"] = "LoRA r16",
        ["lora_r64"] = "LoRA r64",
        ["vera_r256"] = "VeRA r256",
        ["randlora_r32"] = "RandLoRA r32",
        ["dora_r16"] = "DoRA r16",
        ["lokr_r32"] = "LoKr r32",
        ["hira_r32"] = "HiRA r32",
        ["tera_full"] = "TeRA full rank",
        ["tera_r512"] = "TeRA rank 512",
    };

    /// <summary>All rows: the main shape first, ours in their order, then what only they have by the price of a step.</summary>
    /// <param name="ours">Null for none.</param>
    /// <param name="theirs">Null for none.</param>
    public static IReadOnlyList<ComparedRow> Of(ResultFile<LayerRow>? ours, ResultFile<PeerRow>? theirs)
    {
        IEnumerable<LayerRow> measured = ours?.Rows ?? [];
        PeerRow[] peers = [.. (theirs?.Rows ?? []).Where(row => row.Error is null && row.Method != "frozen")];
        ComparedRow[] rows =
        [
            .. measured.GroupBy(row => (row.Shape, row.Method)).Select(group => new ComparedRow(
                group.Key.Shape,
                group.First().Title,
                group.FirstOrDefault(row => row.Policy == "rebuild"),
                group.FirstOrDefault(row => row.Policy == "keep"),
                Best(peers.Where(row => row.Shape == group.Key.Shape && row.Method == group.Key.Method && row.AdapterDtype == OrdinaryDtype)))),
        ];
        IEnumerable<ComparedRow> onlyTheirs = peers.GroupBy(row => (row.Shape, row.Method, row.AdapterDtype))
            .Where(group => group.Key.AdapterDtype != OrdinaryDtype || !rows.Any(row => row.Shape == group.Key.Shape && row.Theirs?.Method == group.Key.Method))
            .Select(group => new ComparedRow(group.Key.Shape, TheirTitle(group.First()), null, null, Best(group)))
            .OrderBy(row => row.Theirs!.Step);
        return [.. rows.Concat(onlyTheirs).OrderBy(row => row.Shape == LayerShape.Main ? 0 : 1).ThenBy(row => row.Ours is null && row.Keeping is null ? 1 : 0)];
    }

    /// <summary>Prints them, shape by shape.</summary>
    public static void Print(TextWriter writer, IReadOnlyList<ComparedRow> rows)
    {
        foreach (IGrouping<LayerShape, ComparedRow> group in rows.GroupBy(row => row.Shape))
        {
            writer.WriteLine($"{group.Key}: ratios to the frozen layer; theirs is PyTorch with PEFT");
            var table = new TextTable(writer, 40, "forward", "theirs", "step", "keeping", "theirs", "faster");
            foreach (ComparedRow row in group)
            {
                string name = row.TheirVariant.Length > 0 ? $"  {row.Title} (theirs {row.TheirVariant})" : $"  {row.Title}";
                table.Add(name, row.Ours?.Forward, row.Theirs?.Forward, row.Ours?.Step, row.Keeping?.Step, row.Theirs?.Step, row.Theirs?.Step / row.Ours?.Step);
            }
        }
    }

    private static PeerRow? Best(IEnumerable<PeerRow> rows) => rows.MinBy(row => row.Step);

    private static string TheirTitle(PeerRow row) =>
        TheirTitles.GetValueOrDefault(row.Method, row.Method) + (row.AdapterDtype == OrdinaryDtype ? "" : $", {row.AdapterDtype} adapters");
}
