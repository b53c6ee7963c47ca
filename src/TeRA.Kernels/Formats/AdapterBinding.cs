using System.Collections.Frozen;
using System.Collections.Immutable;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// An adapter fitted to a base model: its modules with their updates, and layers made of them.
/// </summary>
public sealed class AdapterBinding : IDisposable
{
    private readonly FrozenDictionary<string, AdapterModule> byName;
    private readonly ImmutableDictionary<string, Func<float[]>> otherBiases;
    private readonly Lock gate = new();
    private readonly Dictionary<Device, Tensor[]> resident = [];
    private readonly Dictionary<(string Left, Device Device, DType DType), LotrGroup> groups = [];

    internal AdapterBinding(LoadReport report, ImmutableArray<AdapterModule> modules, Projection? projection = null, ImmutableDictionary<string, Func<float[]>>? otherBiases = null)
    {
        Report = report;
        Modules = modules;
        Projection = projection;
        byName = modules.ToFrozenDictionary(module => module.Name, StringComparer.Ordinal);
        this.otherBiases = otherBiases ?? ImmutableDictionary<string, Func<float[]>>.Empty;
    }

    /// <summary>What fits, and what doesn't.</summary>
    public LoadReport Report { get; }

    /// <summary>The modules that fit, in the file's order.</summary>
    public ImmutableArray<AdapterModule> Modules { get; }

    /// <summary>Modules whose weight the adapter leaves alone and whose bias it replaces (PEFT's bias "all").</summary>
    public IEnumerable<string> ModulesWithBiasAlone => otherBiases.Keys.Order(CodePointOrder.Instance);

    /// <summary>Whether the base keeps the weights as K×N (<see cref="Adapter.IsBaseTransposed"/>); layers are given them as N×K all the same.</summary>
    public bool IsBaseTransposed { get; internal init; }

    /// <summary>The frozen bases that all modules share.</summary>
    internal Projection? Projection { get; }

    /// <summary>One module.</summary>
    /// <exception cref="ArgumentException">The binding has no module of that name.</exception>
    public AdapterModule Module(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return byName.TryGetValue(name, out AdapterModule? module)
            ? module
            : throw new ArgumentException($"Expected a module of the adapter, found {Quote.Text(name)}; see Modules for their names.", nameof(name));
    }

    /// <summary>Reads the bias of a module of <see cref="ModulesWithBiasAlone"/>.</summary>
    /// <exception cref="ArgumentException">The module has none.</exception>
    public float[] ReadBiasAlone(string module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return otherBiases.TryGetValue(module, out Func<float[]>? read)
            ? read()
            : throw new ArgumentException($"The adapter has no bias of its own for {Quote.Text(module)}.", nameof(module));
    }

    /// <summary>A layer with the adapter's values; frozen bases are resident once a device, and layers of one LoTR group have one L and R.</summary>
    /// <param name="module">The module's name.</param>
    /// <param name="device">Where the layer is to be.</param>
    /// <param name="weight">W0, N×K, on that device.</param>
    /// <param name="bias">The base's bias, or null; where the adapter trains the bias, its own takes its place.</param>
    /// <param name="options">Choices; null for the defaults. A bias that the adapter trains is a parameter in any case.</param>
    /// <exception cref="ArgumentException">The binding has no such module, or the weight doesn't fit.</exception>
    public AdaptedLinear CreateLayer(string module, Device device, Tensor weight, Tensor? bias, AdaptedLinearOptions? options = null)
    {
        AdapterModule found = Module(module);
        options ??= new AdaptedLinearOptions();
        var given = new GivenTensors { Stored = Resident(device), Shared = Shared(found, device, weight) };
        var layer = new AdaptedLinear(device, weight, bias, found.Update, options with { TrainBias = options.TrainBias || found.BiasName is not null }, given);
        try
        {
            SetValues(layer, found);
            return layer;
        }
        catch
        {
            layer.Dispose();
            throw;
        }
    }

    /// <summary>Releases resident bases and shared parameters; layers made here must not be used afterwards.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            foreach (Tensor tensor in resident.Values.SelectMany(tensors => tensors))
            {
                tensor.Dispose();
            }

            foreach (LotrGroup group in groups.Values)
            {
                group.Dispose();
            }

            resident.Clear();
            groups.Clear();
        }
    }

    private Tensor[] Resident(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (Projection is null)
        {
            return [];
        }

        lock (gate)
        {
            if (!resident.TryGetValue(device, out Tensor[]? tensors))
            {
                tensors = [device.From<float>(Projection.A.Values, Projection.A.Shape.AsSpan()), device.From<float>(Projection.B.Values, Projection.B.Shape.AsSpan())];
                resident.Add(device, tensors);
            }

            return tensors;
        }
    }

    /// <summary>L and R of a LoTR group, made with the file's values when the first of its layers is.</summary>
    private IReadOnlyList<Parameter> Shared(AdapterModule module, Device device, Tensor weight)
    {
        if (module.Update is not LotrUpdate { Sides: LotrSides.Trained } update)
        {
            return [];
        }

        ArgumentNullException.ThrowIfNull(weight);
        lock (gate)
        {
            (string Left, Device Device, DType DType) key = (module.TensorNames[1], device, weight.DType.ParameterDType());
            if (!groups.TryGetValue(key, out LotrGroup? group))
            {
                groups.Add(key, group = new LotrGroup(module.TensorNames[1], device, weight.DType, update));
                Set(group.Parameters[0].Value, module.ReadTrained(1));
                Set(group.Parameters[1].Value, module.ReadTrained(2));
            }

            return group.Parameters;
        }
    }

    private static void SetValues(AdaptedLinear layer, AdapterModule module)
    {
        for (int i = 0; i < module.TensorNames.Length; i++)
        {
            if (module.Update.Trained[i].IsShared)
            {
                continue;
            }

            Set(layer.Parameters[i].Value, module.ReadTrained(i));
        }

        if (module.BiasName is not null)
        {
            Set(layer.Parameters[^1].Value, module.ReadBias());
        }
    }

    private static void Set(Tensor parameter, float[] values)
    {
        if (parameter.DType == DType.Float32)
        {
            parameter.CopyFrom<float>(values);
        }
        else
        {
            parameter.CopyFrom<double>(Array.ConvertAll(values, value => (double)value));
        }
    }
}
