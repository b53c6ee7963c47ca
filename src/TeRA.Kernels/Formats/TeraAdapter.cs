using System.Collections.Immutable;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// A TeRA adapter as it lies on disk: its configuration and the trained vectors of each module. The frozen-random factors are never stored;
/// the seed and the factor format are. Which shape a module has is decided by the size of its weight in the base model.
/// </summary>
public sealed class TeraAdapter
{
    private readonly ImmutableArray<LoadProblem> problems;

    internal TeraAdapter(string path, TeraConfig config, ImmutableDictionary<string, TeraVectors> modules, ImmutableArray<LoadProblem> problems)
    {
        Path = path;
        Config = config;
        Modules = modules;
        this.problems = problems;
    }

    /// <summary>The folder, for errors.</summary>
    public string Path { get; }

    /// <summary>Seed, distribution, scale, shapes and the keys of others.</summary>
    public TeraConfig Config { get; }

    /// <summary>What was found wrong with the file.</summary>
    internal ImmutableArray<LoadProblem> Problems => problems;

    /// <summary>The vectors of each module.</summary>
    public IReadOnlyDictionary<string, TeraVectors> Modules { get; }

    /// <summary>An adapter made of trained modules.</summary>
    /// <param name="modules">Name, update and vectors of each; names are the modules' full names in the base model.</param>
    /// <param name="baseModelNameOrPath">Where the base model is to be had.</param>
    /// <param name="document">A configuration whose unknown keys are to be kept.</param>
    /// <exception cref="ArgumentException">A name stands twice, vectors don't fit their update, or the updates differ in seed, distribution or scale, or in modes or ranks at the same size: one file has one of each.</exception>
    public static TeraAdapter Create(IEnumerable<(string Module, TeraUpdate Update, TeraVectors Vectors)> modules, string? baseModelNameOrPath = null, AdapterConfig? document = null) =>
        TeraAdapterBuilder.Build(modules, baseModelNameOrPath, document ?? AdapterConfig.Empty);

    /// <summary>Reads a folder.</summary>
    /// <param name="folder">Holds <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="strict">Whether a missing, unknown or misshapen tensor is an error. Otherwise its module is left out and <see cref="Match"/> reports it.</param>
    /// <exception cref="FileFormatException">A file is missing or breaks a rule.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static TeraAdapter Load(string folder, bool strict = true)
    {
        (string configPath, string tensorsPath) = AdapterFolder.Find(folder);
        TeraConfig config = TeraConfig.From(AdapterConfig.Load(configPath));
        using SafetensorsFile file = SafetensorsFile.Open(tensorsPath);
        TeraAdapter adapter = TeraAdapterReader.Read(folder, config, file);
        if (strict)
        {
            LoadReport.From(tensorsPath, [], adapter.problems).ThrowUnlessComplete();
        }

        return adapter;
    }

    /// <summary>Writes a folder; both files are whole before either takes its place.</summary>
    /// <exception cref="IOException">A file exists and <paramref name="overwrite"/> is false, or can't be written.</exception>
    public void Save(string folder, bool overwrite = false)
    {
        var tensors = new List<SafetensorsSource>();
        foreach ((string module, TeraVectors vectors) in Modules)
        {
            AddVectors(tensors, TeraTensorName.Prefix(module, TeraTensorName.Row), vectors.Rows);
            AddVectors(tensors, TeraTensorName.Prefix(module, TeraTensorName.Column), vectors.Columns);
        }

        AdapterFolder.Save(folder, Config.ToDocument(), tensors, overwrite);
    }

    /// <summary>The update of one module, for its weight's size in the base model.</summary>
    /// <exception cref="FileFormatException">The adapter lacks the module, has no shape for that size, or its vectors don't fit that shape.</exception>
    public TeraUpdate UpdateFor(string module, long outFeatures, long inFeatures)
    {
        ArgumentNullException.ThrowIfNull(module);
        LoadProblem? problem = Check(module, new LayerSize(outFeatures, inFeatures));
        return problem is null
            ? Config.Shapes[new LayerSize(outFeatures, inFeatures)]
            : throw new FileFormatException(Path, problem.Rule, problem.Message);
    }

    /// <summary>Compares the adapter with the linear layers of a base model, which may have more than the adapter changes.</summary>
    /// <param name="baseModules">Size of each module of the base, by full name.</param>
    /// <param name="strict">Whether a problem is an error.</param>
    /// <exception cref="FileFormatException">Something is missing, unexpected or of a wrong shape, and <paramref name="strict"/> is true.</exception>
    public LoadReport Match(IReadOnlyDictionary<string, LayerSize> baseModules, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(baseModules);
        var matched = new List<string>();
        var found = new List<LoadProblem>(problems);
        foreach (string module in Config.TargetModules)
        {
            LoadProblem? problem = baseModules.TryGetValue(module, out LayerSize size)
                ? Check(module, size)
                : new LoadProblem(FileRule.MissingModule, module, $"the adapter changes module {Quote.Text(module)}, which the base model lacks; take the base model it was trained on.");
            if (problem is null)
            {
                matched.Add(module);
            }
            else if (!problems.Any(known => known.Name.StartsWith(AdapterFolder.ModelPrefix + module + ".tera_", StringComparison.Ordinal)))
            {
                found.Add(problem);
            }
        }

        LoadReport report = LoadReport.From(Path, matched, found);
        if (strict)
        {
            report.ThrowUnlessComplete();
        }

        return report;
    }

    private static void AddVectors(List<SafetensorsSource> tensors, string prefix, ImmutableArray<ImmutableArray<float>> vectors)
    {
        for (int i = 0; i < vectors.Length; i++)
        {
            tensors.Add(SafetensorsSource.From<float>(prefix + i, vectors[i].AsMemory(), vectors[i].Length));
        }
    }

    private LoadProblem? Check(string module, LayerSize size)
    {
        if (!Modules.TryGetValue(module, out TeraVectors? vectors))
        {
            return new LoadProblem(FileRule.MissingTensor, module, $"the adapter has no vectors for module {Quote.Text(module)}.");
        }

        if (!Config.Shapes.TryGetValue(size, out TeraUpdate? update))
        {
            string known = string.Join(", ", Config.Shapes.Keys.Select(key => key.ToString()).Order(StringComparer.Ordinal));
            return new LoadProblem(FileRule.MissingShape, module, $"module {Quote.Text(module)} is {size} in the base model, but the key \"shapes\" has only {(known.Length == 0 ? "no entries" : Quote.Shorten(known))}.");
        }

        return TeraFit.Compare(module, size, update, vectors.Lengths()).FirstOrDefault();
    }
}
