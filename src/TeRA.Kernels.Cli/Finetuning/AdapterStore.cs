namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>The adapters of a run on disk and back: TeRA's in the folder itself, others in folders of their names inside it, as PEFT keeps several.</summary>
/// <param name="folder">The folder; null for a temporary one.</param>
/// <param name="force">Whether adapters that are already there may be replaced.</param>
internal sealed class AdapterStore(string? folder, bool force)
{
    private readonly string root = folder ?? Directory.CreateTempSubdirectory("tera-adapter-").FullName; // of its own: another run, or another user, may be at it too

    /// <summary>Writes the frozen base that the adapters belong to, so that other commands can use them.</summary>
    /// <returns>The file.</returns>
    public string SaveBase(IReadOnlyList<LayerWeights> weights)
    {
        string path = Path.Combine(root, "base.safetensors");
        Directory.CreateDirectory(root);
        SafetensorsWriter.Write(
            path,
            weights.SelectMany(layer => (SafetensorsSource[])
            [
                SafetensorsSource.From(layer.Name + ".weight", layer.Weight, layer.OutFeatures, layer.InFeatures),
                SafetensorsSource.From(layer.Name + ".bias", layer.Bias, layer.OutFeatures),
            ]),
            new Dictionary<string, string> { ["format"] = "pt" },
            force);
        return path;
    }

    /// <summary>Writes a network's adapter in the format of its method.</summary>
    /// <param name="network">The trained network.</param>
    /// <param name="plan">How it was adapted.</param>
    /// <param name="name">The adapter's folder inside the store; null for the store's own.</param>
    /// <returns>Where it lies.</returns>
    public string Save(Network network, MethodPlan plan, string? name)
    {
        string path = name is null ? root : Path.Combine(root, name);
        AdapterWriter.Save(path, network.Names.Zip(network.Layers, TrainedModule.Of), new AdapterSaveOptions { Overwrite = force, Bases = plan.Bases, Groups = plan.Groups });
        return path;
    }

    /// <summary>Bytes of an adapter's files.</summary>
    public static long Bytes(string path) => Directory.EnumerateFiles(path, "adapter_*").Sum(file => new FileInfo(file).Length);

    /// <summary>The accuracy of the network with the adapter that lies in <paramref name="path"/>.</summary>
    public static double Accuracy(Device device, IReadOnlyList<LayerWeights> weights, string path, Digits digits)
    {
        using Adapter adapter = Adapter.Load(path);
        using AdapterBinding binding = adapter.Bind(weights.ToDictionary(layer => layer.Name, layer => new LayerSize(layer.OutFeatures, layer.InFeatures)));
        using var network = new Network(device, weights, (layer, weight, bias) => binding.CreateLayer(layer.Name, device, weight, bias));
        return network.Accuracy(digits);
    }
}
