using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>A folder of LOTR: an M for each module, and L and R for each group of modules where they are trained.</summary>
internal sealed class LotrFolder : Adapter
{
    private readonly SafetensorsFile file;
    private readonly LotrConfig lotr;
    private readonly Dictionary<string, int> groupOf;
    private readonly ImmutableArray<LoadProblem> problems;

    private LotrFolder(string folder, AdapterConfig config, SafetensorsFile file)
        : base(folder, config)
    {
        this.file = file;
        lotr = new LotrConfig(config);
        groupOf = lotr.Groups.SelectMany((group, i) => group.Select(module => (module, i))).ToDictionary(pair => pair.module, pair => pair.i, StringComparer.Ordinal);
        problems = [.. groupOf.Keys.Order(CodePointOrder.Instance).SelectMany(CoreProblems), .. SideProblems(), .. Unknown()];
        Report = LoadReport.From(folder, Whole(), problems);
    }

    public override ImmutableArray<string> Modules => [.. groupOf.Keys.Order(CodePointOrder.Instance)];

    public override LoadReport Report { get; }

    public override ImmutableArray<string> Notes => lotr.Sides == LotrSides.Trained ? [] : [$"L and R are frozen-random, regenerated from seed {lotr.Source.Seed}"];

    public override ImmutableArray<AdapterTensor> Tensors =>
    [
        .. file.Tensors.Values.OrderBy(entry => entry.Name, CodePointOrder.Instance).Select(entry => new AdapterTensor(
            entry.Name, PeftName.TryParse(entry.Name, LotrName.Core, out string module) ? module : null, entry.DType, entry.Shape, IsTrained: true)),
    ];

    public static LotrFolder Open(string folder, AdapterConfig config, SafetensorsFile file) => new(folder, config, file);

    public override void Save(string folder, bool overwrite = false) =>
        AdapterFolder.Save(folder, Config, [.. file.Tensors.Keys.Select(name => SafetensorsSource.From(file, name))], overwrite);

    internal override AdapterBinding BindModules(IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        var found = new List<LoadProblem>(problems);
        var modules = new List<AdapterModule>();
        foreach (string module in Report.Matched)
        {
            if (Problem(module, baseModules) is { } problem)
            {
                found.Add(problem);
            }
            else
            {
                modules.Add(Module(module, baseModules[module]));
            }
        }

        return new AdapterBinding(LoadReport.From(Path, modules.Select(module => module.Name), found), [.. modules]);
    }

    protected override void Dispose(bool disposing) => file.Dispose();

    private IEnumerable<string> Whole() => Modules.Where(module => !problems.Any(problem =>
        problem.Name == PeftName.Of(module, LotrName.Core) || problem.Name == LotrName.Left(groupOf[module]) || problem.Name == LotrName.Right(groupOf[module])));

    private IEnumerable<LoadProblem> CoreProblems(string module) => TensorProblems(PeftName.Of(module, LotrName.Core), lotr.Rank, lotr.Rank);

    private IEnumerable<LoadProblem> SideProblems() => lotr.Sides == LotrSides.Frozen
        ? []
        : lotr.Groups.SelectMany((_, group) => TensorProblems(LotrName.Left(group), PeftMethod.AnyLength, lotr.Rank)
            .Concat(TensorProblems(LotrName.Right(group), lotr.Rank, PeftMethod.AnyLength)));

    private IEnumerable<LoadProblem> TensorProblems(string name, params ImmutableArray<long> shape) => PeftFit.Compare(name, file.Tensors.GetValueOrDefault(name), shape, null);

    private IEnumerable<LoadProblem> Unknown()
    {
        HashSet<string> known = [.. groupOf.Keys.Select(module => PeftName.Of(module, LotrName.Core))];
        if (lotr.Sides == LotrSides.Trained)
        {
            known.UnionWith(Enumerable.Range(0, lotr.Groups.Length).SelectMany(group => new[] { LotrName.Left(group), LotrName.Right(group) }));
        }

        return file.Tensors.Keys.Where(name => !known.Contains(name)).Order(CodePointOrder.Instance).Select(name => new LoadProblem(
            FileRule.UnknownTensor, name, $"expected {AdapterFolder.ModelPrefix}<module>.{LotrName.Core} for modules of the groups{(lotr.Sides == LotrSides.Trained ? " and base_model.lotr.<group>.L and .R" : string.Empty)}, found {Quote.Text(name)}."));
    }

    /// <summary>All modules of a group have one size, since they share L and R.</summary>
    private LoadProblem? Problem(string module, IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        if (!baseModules.TryGetValue(module, out LayerSize size))
        {
            return new LoadProblem(FileRule.MissingModule, module, $"the adapter changes module {Quote.Text(module)}, which the base model lacks; take the base model it was trained on.");
        }

        int group = groupOf[module];
        string? other = lotr.Groups[group].FirstOrDefault(name => baseModules.TryGetValue(name, out LayerSize its) && its != size);
        if (other is not null)
        {
            return new LoadProblem(FileRule.ShapeMismatch, module, $"the modules of group {group} share L and R, so they have one size; {Quote.Text(module)} is {size} and {Quote.Text(other)} is {baseModules[other]}.");
        }

        return lotr.Sides == LotrSides.Frozen
            ? null
            : PeftFit.Compare(LotrName.Left(group), file.Entry(LotrName.Left(group)), [size.OutFeatures, lotr.Rank], size)
                .Concat(PeftFit.Compare(LotrName.Right(group), file.Entry(LotrName.Right(group)), [lotr.Rank, size.InFeatures], size)).FirstOrDefault();
    }

    private AdapterModule Module(string module, LayerSize size)
    {
        int group = groupOf[module];
        LotrUpdate update = lotr.Update(group, size);
        ImmutableArray<string> names = lotr.Sides == LotrSides.Frozen
            ? [PeftName.Of(module, LotrName.Core)]
            : [PeftName.Of(module, LotrName.Core), LotrName.Left(group), LotrName.Right(group)];
        return new AdapterModule(module, update, names, trained => file.ReadSingles(names[trained]));
    }
}
