using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>A folder of LORA, VERA or RANDLORA as PEFT writes it.</summary>
internal sealed class PeftAdapter : Adapter
{
    private readonly SafetensorsFile file;
    private readonly PeftMethod method;
    private readonly PeftContent content;
    private readonly PeftProjection? projection;
    private readonly TargetRule targets;
    private readonly ImmutableArray<LoadProblem> problems;

    private PeftAdapter(string folder, PeftMethod method, SafetensorsFile file, PeftProjection? projection)
        : base(folder, method.Config)
    {
        this.file = file;
        this.method = method;
        this.projection = projection;
        content = PeftContent.Sort(file, method, projection?.Names ?? []);
        targets = TargetRule.Read(method.Config);
        problems = [.. content.Problems, .. ShapeProblems(), .. TargetProblems()];
        Report = LoadReport.From(folder, Whole(), problems);
        projection?.Check(file, content);
    }

    public override bool IsBaseTransposed => Config.Flag("fan_in_fan_out", false);

    public override ImmutableArray<string> Modules => [.. content.Modules.Keys];

    public override LoadReport Report { get; }

    public override ImmutableArray<string> Notes => projection?.Note is { } note ? [note] : [];

    public override ImmutableArray<AdapterTensor> Tensors =>
    [
        .. content.Modules.SelectMany(module => module.Value.Values.Select(entry => Tensor(entry, module.Key, true)))
            .Concat(content.Biases.Select(bias => Tensor(bias.Value, bias.Key, true)))
            .Concat(content.Projections.Values.SelectMany(copies => copies.Take(1).Select(entry => Tensor(entry, null, false))))
            .OrderBy(tensor => tensor.Name, CodePointOrder.Instance),
    ];

    public static PeftAdapter Open(string folder, AdapterConfig config, SafetensorsFile file, AdapterLoadOptions options)
    {
        PeftRefusals.Check(config, file);
        CheckBias(config);
        return config.PeftType switch
        {
            LoraMethod.Type => new PeftAdapter(folder, new LoraMethod(config), file, null),
            VeraMethod.Type => new PeftAdapter(folder, new VeraMethod(config), file, new VeraBases(config)),
            _ => new PeftAdapter(folder, new RandLoraMethod(config, file), file, new RandLoraBases(config, options.DrawnAs)),
        };
    }

    /// <summary>Takes the frozen bases that PEFT repeats for every module once; everything else stays as it is.</summary>
    public override void Save(string folder, bool overwrite = false) => AdapterFolder.Save(
        folder, Config, [.. Own(), .. content.Projections.Select(pair => SafetensorsSource.From(file, pair.Value[0].Name, PeftName.Shared(pair.Key)))], overwrite, Metadata());

    /// <summary>The same with bases that may not be in the file.</summary>
    public void SaveWithBases(string folder, Projection bases, bool overwrite)
    {
        if (content.Projections.Count > 0)
        {
            Save(folder, overwrite);
            return;
        }

        AdapterConfig saved = Config.WithJson("save_projection", "true");
        AdapterFolder.Save(folder, saved, [.. Own(), .. PeftWriter.Shared(projection!.Names, bases)], overwrite, Metadata());
    }

    internal override AdapterBinding BindModules(IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        var found = new List<LoadProblem>(problems);
        var fitting = new List<string>();
        foreach (string module in Report.Matched)
        {
            LoadProblem[] wrong = [.. Compare(module, baseModules)];
            found.AddRange(wrong);
            if (wrong.Length == 0)
            {
                fitting.Add(module);
            }
        }

        found.AddRange(UnmatchedByBase(baseModules));
        found.AddRange(Untouched(baseModules));
        Projection? bases = fitting.Count == 0 ? null : projection?.Resolve(file, content, Largest(baseModules));
        ImmutableArray<AdapterModule> modules = [.. fitting.Select(module => Module(module, baseModules[module], bases))];
        return new AdapterBinding(LoadReport.From(Path, fitting, found), modules, bases, OtherBiases()) { IsBaseTransposed = IsBaseTransposed };
    }

    protected override void Dispose(bool disposing) => file.Dispose();

    private static AdapterTensor Tensor(SafetensorsEntry entry, string? module, bool trained) => new(entry.Name, module, entry.DType, entry.Shape, trained);

    private static void CheckBias(AdapterConfig config)
    {
        if (config.OptionalText("bias") is { } bias && bias != "none" && bias != "all" && !bias.EndsWith("_only", StringComparison.Ordinal))
        {
            throw config.Wrong("bias", "\"none\", \"all\" or the method's own \"…_only\"", config.Required("bias"));
        }
    }

    private IEnumerable<SafetensorsSource> Own() => content.Modules.Values.SelectMany(module => module.Values)
        .Concat(content.Biases.Values).Select(entry => SafetensorsSource.From(file, entry.Name));

    private Dictionary<string, string> Metadata() => file.Metadata.Count == 0
        ? new Dictionary<string, string> { ["format"] = "pt" }
        : new Dictionary<string, string>(file.Metadata);

    private IEnumerable<string> Whole() => content.Modules.Keys.Where(module => !problems.Any(problem => IsOf(problem, module)));

    private static bool IsOf(LoadProblem problem, string module) => problem.Name.StartsWith(PeftName.Of(module, string.Empty), StringComparison.Ordinal);

    private IEnumerable<LoadProblem> ShapeProblems() => content.Modules.Keys.SelectMany(module => PeftFit.Compare(method, module, content.Modules[module], null));

    private IEnumerable<LoadProblem> TargetProblems()
    {
        foreach (string module in content.Modules.Keys.Where(module => !targets.Matches(module)))
        {
            string name = PeftName.Of(module, method.Parameters[0]);
            yield return new LoadProblem(FileRule.UnknownTensor, name, $"target_modules doesn't choose the module {Quote.Text(module)}, but the file has tensors for it.");
        }

        foreach (TargetPattern pattern in targets.IsNarrowed ? [] : Unmatched(content.Modules.Keys))
        {
            yield return new LoadProblem(FileRule.UnmatchedTarget, pattern.Text, $"{Quote.Text(pattern.Text)} of target_modules matches no module of the file.");
        }

        if (content.Modules.Count == 0)
        {
            yield return new LoadProblem(FileRule.MissingTensor, method.Parameters[0], $"the file has no tensor called {AdapterFolder.ModelPrefix}<module>.{method.Parameters[0]}: it changes nothing.");
        }
    }

    /// <summary>Patterns of which the file alone can't tell: all that they match may be excluded, or in layers that weren't chosen.</summary>
    private IEnumerable<LoadProblem> UnmatchedByBase(IReadOnlyDictionary<string, LayerSize> baseModules) => !targets.IsNarrowed
        ? []
        : Unmatched([.. content.Modules.Keys, .. baseModules.Keys])
            .Select(pattern => new LoadProblem(FileRule.UnmatchedTarget, pattern.Text, $"{Quote.Text(pattern.Text)} of target_modules matches no module of the file and none of the base model."));

    private IEnumerable<TargetPattern> Unmatched(IEnumerable<string> modules) =>
        targets.Targets.Where(pattern => !modules.Any(module => pattern.Matches(module, Config)));

    private IEnumerable<LoadProblem> Compare(string module, IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        if (!baseModules.TryGetValue(module, out LayerSize size))
        {
            return [new LoadProblem(FileRule.MissingModule, module, $"the adapter changes module {Quote.Text(module)}, which the base model lacks; take the base model it was trained on.")];
        }

        return PeftFit.Compare(method, module, content.Modules[module], size);
    }

    /// <summary>Modules of the base that the configuration chooses and the file says nothing of.</summary>
    private IEnumerable<LoadProblem> Untouched(IReadOnlyDictionary<string, LayerSize> baseModules) => targets.IsAllLinear
        ? []
        : baseModules.Keys.Order(CodePointOrder.Instance)
            .Where(module => !content.Modules.ContainsKey(module) && targets.Matches(module))
            .Select(module => new LoadProblem(FileRule.MissingTensor, module, $"target_modules chooses the base's module {Quote.Text(module)}, but the file has no tensors for it."));

    /// <summary>The largest sizes of all modules of the file: PEFT makes the shared bases for these.</summary>
    private LayerSize Largest(IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        LayerSize[] sizes = [.. content.Modules.Keys.Select(module => baseModules.TryGetValue(module, out LayerSize size)
            ? size
            : throw new FileFormatException(Path, FileRule.MissingModule, $"the frozen bases depend on the largest module, and the base model lacks {Quote.Text(module)}."))];
        return new LayerSize(sizes.Max(size => size.OutFeatures), sizes.Max(size => size.InFeatures));
    }

    private AdapterModule Module(string module, LayerSize size, Projection? bases)
    {
        SortedDictionary<string, SafetensorsEntry> tensors = content.Modules[module];
        string? bias = content.Biases.TryGetValue(module, out SafetensorsEntry? entry) ? entry.Name : null;
        return new AdapterModule(
            module,
            method.Update(module, size, bases),
            [.. method.Parameters.Select(parameter => tensors[parameter].Name)],
            trained => file.ReadSingles(tensors[method.Parameters[trained]].Name),
            bias,
            bias is null ? null : () => file.ReadSingles(bias));
    }

    private ImmutableDictionary<string, Func<float[]>> OtherBiases() => content.Biases
        .Where(pair => !content.Modules.ContainsKey(pair.Key))
        .ToImmutableDictionary(pair => pair.Key, pair => (Func<float[]>)(() => file.ReadSingles(pair.Value.Name)));
}
