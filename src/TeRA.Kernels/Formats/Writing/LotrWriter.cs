namespace TeRA.Kernels.Formats;

/// <summary>Writes LOTR folders.</summary>
internal static class LotrWriter
{
    public static void Write(string folder, TrainedModule[] modules, AdapterSaveOptions options)
    {
        Dictionary<string, TrainedModule> byName = modules.ToDictionary(module => module.Name, StringComparer.Ordinal);
        IReadOnlyList<IReadOnlyList<string>> groups = options.Groups ?? [[.. modules.Select(module => module.Name)]];
        CheckGroups(byName, groups);
        var first = (LotrUpdate)byName[groups[0][0]].Update;
        var tensors = new List<SafetensorsSource>();
        for (int group = 0; group < groups.Count; group++)
        {
            AddGroup(tensors, [.. groups[group].Select(name => byName[name])], group, first);
        }

        AdapterFolder.Save(folder, Config(groups, first, options), tensors, options.Overwrite);
    }

    private static AdapterConfig Config(IReadOnlyList<IReadOnlyList<string>> groups, LotrUpdate first, AdapterSaveOptions options)
    {
        string lists = string.Join(',', groups.Select(group => $"[{string.Join(',', group.Select(JsonText.String))}]"));
        AdapterConfig config = AdapterConfig.Empty
            .With("peft_type", LotrConfig.Type)
            .With("r", (ulong)first.Rank)
            .With("scale", WrittenScale.Of(first.Alpha, first.Rank))
            .WithJson("groups", $"[{lists}]")
            .With("base_model_name_or_path", options.BaseModelNameOrPath);
        return first.Sides == LotrSides.Trained ? config : TeraConfig.WithSource(config, first.Source);
    }

    private static void AddGroup(List<SafetensorsSource> tensors, TrainedModule[] modules, int group, LotrUpdate first)
    {
        var own = (LotrUpdate)modules[0].Update;
        foreach (TrainedModule module in modules)
        {
            CheckUpdate((LotrUpdate)module.Update, own, first, group, module.Name);
            tensors.Add(SafetensorsSource.From(PeftName.Of(module.Name, LotrName.Core), module.Values[0], first.Rank, first.Rank));
        }

        if (first.Sides == LotrSides.Frozen)
        {
            return;
        }

        if (modules.FirstOrDefault(module => !module.Values[1].SequenceEqual(modules[0].Values[1]) || !module.Values[2].SequenceEqual(modules[0].Values[2])) is { } other)
        {
            throw new ArgumentException($"The modules of group {group} share L and R, but those of {Quote.Text(other.Name)} differ from {Quote.Text(modules[0].Name)}'s.", nameof(modules));
        }

        tensors.Add(SafetensorsSource.From(LotrName.Left(group), modules[0].Values[1], own.OutFeatures, own.Rank));
        tensors.Add(SafetensorsSource.From(LotrName.Right(group), modules[0].Values[2], own.Rank, own.InFeatures));
    }

    private static void CheckUpdate(LotrUpdate update, LotrUpdate own, LotrUpdate first, int group, string name)
    {
        bool fits = update.Rank == first.Rank && update.Alpha == first.Alpha && update.Sides == first.Sides
            && update.OutFeatures == own.OutFeatures && update.InFeatures == own.InFeatures;
        bool sameSource = update.Sides == LotrSides.Trained
            || update.Source == first.Source with { Seed = unchecked(first.Source.Seed + (ulong)group) };
        if (!fits || !sameSource)
        {
            throw new ArgumentException($"One adapter has one rank, scale, distribution and kind of sides, a group one size, and group g the seed of the first group plus g; {Quote.Text(name)} of group {group} differs.", nameof(update));
        }
    }

    private static void CheckGroups(Dictionary<string, TrainedModule> modules, IReadOnlyList<IReadOnlyList<string>> groups)
    {
        string[] listed = [.. groups.SelectMany(group => group)];
        bool whole = groups.All(group => group.Count > 0) && listed.Length == modules.Count && listed.All(modules.ContainsKey) && listed.Distinct(StringComparer.Ordinal).Count() == listed.Length;
        if (!whole)
        {
            throw new ArgumentException($"Expected groups that list each of the {modules.Count} modules once, found {listed.Length} names in {groups.Count} groups.", nameof(groups));
        }
    }
}
