using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Formats;
using TeRA.Kernels.Tests.Formats;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>An adapter's folder in memory, to be altered and written elsewhere.</summary>
internal sealed class AdapterFile
{
    private readonly Dictionary<string, (SafetensorsDType DType, long[] Shape, byte[] Bytes)> tensors = [];
    private readonly Dictionary<string, string> metadata;

    /// <summary>Reads a folder.</summary>
    public AdapterFile(string folder)
    {
        Config = AdapterConfig.Load(Path.Combine(folder, AdapterFolder.ConfigName));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, AdapterFolder.TensorsName));
        metadata = new(file.Metadata);
        foreach (SafetensorsEntry entry in file.Tensors.Values)
        {
            tensors.Add(entry.Name, (entry.DType, [.. entry.Shape], file.Bytes(entry.Name).ToArray()));
        }
    }

    /// <summary>The configuration.</summary>
    public AdapterConfig Config { get; set; }

    /// <summary>Sets a key of the configuration.</summary>
    public void Set(string key, string json) => Config = Config.WithJson(key, json);

    /// <summary>Sets a key of the safetensors metadata.</summary>
    public void SetMetadata(string key, string value) => metadata[key] = value;

    /// <summary>Alters the bytes of every tensor whose name ends so; at least one must change.</summary>
    public void ChangeBytes(string end, Action<byte[]> alter)
    {
        bool changed = false;
        foreach ((_, _, byte[] bytes) in Ending(end).Select(name => tensors[name]))
        {
            byte[] before = [.. bytes];
            alter(bytes);
            changed |= !bytes.AsSpan().SequenceEqual(before);
        }

        Assert.That(changed, Is.True, $"the mistake was never made: no tensor that ends with {end} changed");
    }

    /// <summary>Alters the numbers of every tensor whose name ends so; the shape stays.</summary>
    public void Change(string end, Func<float[], long[], float[]> alter)
    {
        foreach (string name in Ending(end))
        {
            (_, long[] shape, byte[] bytes) = tensors[name];
            float[] altered = alter(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), shape);
            Assert.That(MemoryMarshal.AsBytes(altered.AsSpan()).SequenceEqual(bytes), Is.False, $"the mistake was never made: {name} is the same");
            MemoryMarshal.AsBytes(altered.AsSpan()).CopyTo(bytes);
        }

        Assert.That(Ending(end), Is.Not.Empty, $"the mistake was never made: there is no tensor that ends with {end}");
    }

    /// <summary>Exchanges the data of two tensors, each as a matrix read column by column where <paramref name="transposed"/>; the shapes stay.</summary>
    public void Exchange(string first, string second, bool transposed = false)
    {
        (_, long[] shape, byte[] bytes) = tensors[first];
        (_, long[] otherShape, byte[] otherBytes) = tensors[second];
        byte[] Taken(byte[] from, long[] of) => transposed ? MemoryMarshal.AsBytes(Transposed(MemoryMarshal.Cast<byte, float>(from).ToArray(), of).AsSpan()).ToArray() : [.. from];
        byte[] mine = Taken(bytes, shape), theirs = Taken(otherBytes, otherShape);
        Assert.That(mine, Has.Length.EqualTo(theirs.Length));
        theirs.CopyTo(bytes, 0);
        mine.CopyTo(otherBytes, 0);
    }

    /// <summary>Writes the folder.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, AdapterFolder.ConfigName), Config.ToUtf8());
        File.WriteAllBytes(Path.Combine(folder, AdapterFolder.TensorsName), FormatFixtures.Write(
            tensors.Select(tensor => SafetensorsSource.From(tensor.Key, tensor.Value.DType, stream => stream.Write(tensor.Value.Bytes), tensor.Value.Shape)), metadata));
    }

    /// <summary>A matrix (the first length by the product of the others) in the order of its transpose.</summary>
    public static float[] Transposed(float[] values, long[] shape)
    {
        int rows = (int)shape[0], columns = values.Length / rows;
        return [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];
    }

    private IEnumerable<string> Ending(string end) => tensors.Keys.Where(name => name.EndsWith(end, StringComparison.Ordinal));
}
