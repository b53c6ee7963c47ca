using System.Collections.Immutable;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// An adapter's folder of any method: TERA and LOTR in this library's own formats, LORA, VERA and RANDLORA as PEFT writes them. The values stay in the
/// file until they are asked for. Bound to a base model's sizes, it gives an update, trained values and frozen bases for each module.
/// </summary>
/// <example>
/// <code>
/// using Adapter adapter = Adapter.Load("my-adapter");
/// using AdapterBinding binding = adapter.Bind(new Dictionary&lt;string, LayerSize&gt; { ["model.layers.0.self_attn.q_proj"] = new(4096, 4096) });
/// using AdaptedLinear layer = binding.CreateLayer("model.layers.0.self_attn.q_proj", device, weight, bias: null);
/// </code>
/// </example>
public abstract class Adapter : IDisposable
{
    private protected Adapter(string path, AdapterConfig config)
    {
        Path = path;
        Config = config;
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Its configuration, with every key of the file.</summary>
    public AdapterConfig Config { get; }

    /// <summary>The method as PEFT names it: <c>TERA</c>, <c>LORA</c>, <c>VERA</c>, <c>RANDLORA</c>, <c>LOTR</c>.</summary>
    public string Type => Config.PeftType;

    /// <summary>The modules whose weight the adapter changes, sorted.</summary>
    public abstract ImmutableArray<string> Modules { get; }

    /// <summary>What the file holds, sorted by name.</summary>
    public abstract ImmutableArray<AdapterTensor> Tensors { get; }

    /// <summary>What can be said of the file without a base model.</summary>
    public abstract LoadReport Report { get; }

    /// <summary>What a user should know and is no problem: that bases are drawn again from a seed, for example.</summary>
    public abstract ImmutableArray<string> Notes { get; }

    /// <summary>Whether the base keeps the weights of the adapter's modules as K×N, inputs first, as GPT-2's Conv1D layers are (PEFT's <c>fan_in_fan_out</c>).</summary>
    public virtual bool IsBaseTransposed => false;

    /// <summary>Trained numbers in the file; frozen bases are not counted.</summary>
    public long TrainedCount => Tensors.Where(tensor => tensor.IsTrained).Sum(tensor => tensor.Count);

    /// <summary>Opens a folder and checks everything that can be checked without the base model.</summary>
    /// <param name="folder">Holds <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <exception cref="FileFormatException">A file is missing, breaks a rule, or uses something that isn't computed here; the message names it.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static Adapter Load(string folder, AdapterLoadOptions? options = null)
    {
        options ??= new AdapterLoadOptions();
        (string configPath, string tensorsPath) = AdapterFolder.Find(folder);
        AdapterConfig config = AdapterConfig.Load(configPath);
        SafetensorsFile file = SafetensorsFile.Open(tensorsPath);
        try
        {
            Adapter adapter = AdapterTypes.Open(folder, config, file, options);
            if (options.Strict)
            {
                adapter.Report.ThrowUnlessComplete();
            }

            return adapter;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Fits the adapter to the linear layers of a base model, which may have more than the adapter changes.</summary>
    /// <param name="baseModules">Size of each module of the base, by full name, as <see cref="Checkpoint.Modules"/> gives it: of the weight as the base keeps it, so that with <see cref="IsBaseTransposed"/> it is taken the other way round.</param>
    /// <param name="strict">Whether a problem is an error; otherwise the binding's report tells and its modules are those that fit.</param>
    /// <exception cref="FileFormatException">Something is missing, unexpected or of a wrong shape, and <paramref name="strict"/> is true; or the frozen bases can't be had.</exception>
    public AdapterBinding Bind(IReadOnlyDictionary<string, LayerSize> baseModules, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(baseModules);
        AdapterBinding binding = BindModules(IsBaseTransposed ? baseModules.ToDictionary(module => module.Key, module => new LayerSize(module.Value.InFeatures, module.Value.OutFeatures)) : baseModules);
        try
        {
            if (strict)
            {
                binding.Report.ThrowUnlessComplete();
            }

            return binding;
        }
        catch
        {
            binding.Dispose();
            throw;
        }
    }

    /// <summary>Writes the adapter again, in the format of its method, unknown configuration keys and all.</summary>
    /// <param name="folder">Where to; it is made if it isn't there.</param>
    /// <param name="overwrite">Whether files that are already there may be replaced.</param>
    /// <exception cref="IOException">A file exists and <paramref name="overwrite"/> is false, or can't be written.</exception>
    public abstract void Save(string folder, bool overwrite = false);

    /// <summary>Closes the file. Bindings made of it must not be used afterwards.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    internal abstract AdapterBinding BindModules(IReadOnlyDictionary<string, LayerSize> baseModules);

    /// <summary>Closes what the adapter owns.</summary>
    protected abstract void Dispose(bool disposing);
}
