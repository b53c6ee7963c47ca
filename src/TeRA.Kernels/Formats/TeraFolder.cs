using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>A folder of TERA, behind the entry that all methods share.</summary>
internal sealed class TeraFolder : Adapter
{
    private readonly SafetensorsFile file;
    private readonly TeraAdapter adapter;

    private TeraFolder(string folder, AdapterConfig config, SafetensorsFile file, TeraAdapter adapter)
        : base(folder, config)
    {
        this.file = file;
        this.adapter = adapter;
    }

    public override ImmutableArray<string> Modules => [.. adapter.Modules.Keys.Order(CodePointOrder.Instance)];

    public override LoadReport Report => LoadReport.From(Path, Modules, adapter.Problems);

    public override ImmutableArray<string> Notes => [];

    public override ImmutableArray<AdapterTensor> Tensors =>
    [
        .. file.Tensors.Values.OrderBy(entry => entry.Name, CodePointOrder.Instance).Select(entry => new AdapterTensor(
            entry.Name, TeraTensorName.TryParse(entry.Name, out TeraTensorName name) ? name.Module : null, entry.DType, entry.Shape, IsTrained: true)),
    ];

    public static TeraFolder Open(string folder, AdapterConfig config, SafetensorsFile file) =>
        new(folder, config, file, TeraAdapterReader.Read(folder, TeraConfig.From(config), file));

    public override void Save(string folder, bool overwrite = false) => adapter.Save(folder, overwrite);

    internal override AdapterBinding BindModules(IReadOnlyDictionary<string, LayerSize> baseModules)
    {
        LoadReport report = adapter.Match(baseModules, strict: false);
        return new AdapterBinding(report, [.. report.Matched.Select(module => Module(module, baseModules[module]))]);
    }

    protected override void Dispose(bool disposing) => file.Dispose();

    private AdapterModule Module(string module, LayerSize size)
    {
        ImmutableArray<float>[] vectors = [.. adapter.Modules[module].All];
        TeraUpdate update = adapter.UpdateFor(module, size.OutFeatures, size.InFeatures);
        return new AdapterModule(
            module, update, [.. update.Trained.Select(tensor => PeftName.Of(module, tensor.Name))], trained => [.. vectors[trained]]);
    }
}
