using System.Collections.Immutable;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>A network's TeRA vectors on disk and back.</summary>
internal static class AdapterStore
{
    /// <summary>Writes the adapter; returns where, and how many bytes its files have.</summary>
    public static (string Folder, long Bytes) Save(Network network, string? folder, bool force)
    {
        folder ??= Directory.CreateTempSubdirectory("tera-adapter-").FullName; // of its own: another run, or another user, may be at it too
        TeraAdapter adapter = TeraAdapter.Create(network.Layers.Select((layer, i) => (network.Names[i], (TeraUpdate)layer.Update!, Vectors(layer))));
        adapter.Save(folder, force);
        return (folder, Directory.EnumerateFiles(folder, "adapter_*").Sum(file => new FileInfo(file).Length));
    }

    /// <summary>The network with the adapter that lies in <paramref name="folder"/>.</summary>
    public static Network Load(Device device, IReadOnlyList<LayerWeights> weights, string folder)
    {
        TeraAdapter adapter = TeraAdapter.Load(folder);
        var network = new Network(device, weights, layer => adapter.UpdateFor(layer.Name, layer.OutFeatures, layer.InFeatures), new AdaptedLinearOptions());
        for (int i = 0; i < network.Layers.Count; i++)
        {
            foreach ((Parameter parameter, ImmutableArray<float> vector) in network.Layers[i].Parameters.Zip(adapter.Modules[network.Names[i]].All))
            {
                parameter.Value.CopyFrom(vector.AsSpan());
            }
        }

        return network;
    }

    // The order of the layer's parameters is the update's order of trained vectors.
    private static TeraVectors Vectors(AdaptedLinear layer) =>
        TeraVectors.Of((TeraUpdate)layer.Update!, [.. layer.Parameters.Select(parameter => parameter.Value.ToArray<float>())]);
}
