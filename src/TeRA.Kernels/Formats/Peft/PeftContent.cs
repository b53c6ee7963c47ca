using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>The tensors of a PEFT file, sorted by what they are.</summary>
internal sealed class PeftContent
{
    private static readonly string[] BiasParameters = ["base_layer.bias", "bias"];
    private readonly SortedDictionary<string, SortedDictionary<string, SafetensorsEntry>> modules = new(CodePointOrder.Instance);
    private readonly Dictionary<string, List<SafetensorsEntry>> projections = [];
    private readonly Dictionary<string, SafetensorsEntry> biases = [];

    private PeftContent()
    {
    }

    /// <summary>The trained tensors of each module by parameter.</summary>
    public IReadOnlyDictionary<string, SortedDictionary<string, SafetensorsEntry>> Modules => modules;

    /// <summary>Every copy of each frozen base, by parameter; the one that all modules share stands first.</summary>
    public IReadOnlyDictionary<string, List<SafetensorsEntry>> Projections => projections;

    /// <summary>Trained biases by the module they belong to.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Biases => biases;

    /// <summary>What nothing explains.</summary>
    public List<LoadProblem> Problems { get; } = [];

    public static PeftContent Sort(SafetensorsFile file, PeftMethod method, ImmutableArray<string> projections)
    {
        var content = new PeftContent();
        foreach (SafetensorsEntry entry in file.Tensors.Values.OrderBy(entry => entry.Name, CodePointOrder.Instance))
        {
            if (!content.AddTrained(entry, method.Parameters) && !content.AddProjection(entry, projections))
            {
                content.AddBias(entry, method, projections);
            }
        }

        content.TakeOtherBiases(method);
        return content;
    }

    private bool AddTrained(SafetensorsEntry entry, ImmutableArray<string> parameters)
    {
        foreach (string parameter in parameters)
        {
            if (PeftName.TryParse(entry.Name, parameter, out string module))
            {
                if (!modules.TryGetValue(module, out SortedDictionary<string, SafetensorsEntry>? tensors))
                {
                    modules.Add(module, tensors = new SortedDictionary<string, SafetensorsEntry>(StringComparer.Ordinal));
                }

                tensors.Add(parameter, entry);
                return true;
            }
        }

        return false;
    }

    private bool AddProjection(SafetensorsEntry entry, ImmutableArray<string> names)
    {
        foreach (string parameter in names)
        {
            bool shared = entry.Name == PeftName.Shared(parameter);
            if (shared || PeftName.TryParse(entry.Name, parameter, out _))
            {
                if (!projections.TryGetValue(parameter, out List<SafetensorsEntry>? copies))
                {
                    projections.Add(parameter, copies = []);
                }

                copies.Insert(shared ? 0 : copies.Count, entry);
                return true;
            }
        }

        return false;
    }

    private void AddBias(SafetensorsEntry entry, PeftMethod method, ImmutableArray<string> projections)
    {
        string? found = BiasParameters.FirstOrDefault(parameter => PeftName.TryParse(entry.Name, parameter, out _));
        if (found is not null && !method.Config.IsOff("bias") && method.Config.Text("bias") != "none")
        {
            PeftName.TryParse(entry.Name, found, out string module);
            if (biases.TryAdd(module, entry))
            {
                return;
            }
        }

        string expected = string.Join(", ", method.Parameters.Concat(projections));
        Problems.Add(new LoadProblem(FileRule.UnknownTensor, entry.Name, $"expected tensors called {AdapterFolder.ModelPrefix}<module>.<parameter> with {expected}, found {Quote.Text(entry.Name)}."));
    }

    /// <summary>Biases of modules that the adapter doesn't change are there only when all biases were trained.</summary>
    private void TakeOtherBiases(PeftMethod method)
    {
        if (method.Config.OptionalText("bias") != method.OwnBiases)
        {
            return;
        }

        foreach ((string module, SafetensorsEntry entry) in biases.Where(pair => !modules.ContainsKey(pair.Key)).ToArray())
        {
            biases.Remove(module);
            Problems.Add(new LoadProblem(FileRule.UnknownTensor, entry.Name, $"with bias \"{method.OwnBiases}\" only adapted modules have a bias, found {Quote.Text(entry.Name)}."));
        }
    }
}
