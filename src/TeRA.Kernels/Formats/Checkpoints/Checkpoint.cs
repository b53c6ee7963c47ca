using System.Collections.Immutable;
using System.Text.Json;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>A base model's weights: one safetensors file, or several with an index (<c>model.safetensors.index.json</c>).</summary>
public sealed class Checkpoint : IDisposable
{
    internal const string IndexName = "model.safetensors.index.json";
    private const string SingleName = "model.safetensors";
    private const string WeightSuffix = ".weight";
    private const string MapKey = "weight_map";
    private readonly ImmutableSortedDictionary<string, SafetensorsFile> files;
    private readonly Dictionary<string, SafetensorsFile> byTensor = new(StringComparer.Ordinal);

    private Checkpoint(string path, string? indexPath, ImmutableSortedDictionary<string, SafetensorsFile> files)
    {
        Path = path;
        IndexPath = indexPath;
        this.files = files;
        foreach (SafetensorsFile file in files.Values)
        {
            foreach (string name in file.Tensors.Keys)
            {
                if (!byTensor.TryAdd(name, file))
                {
                    throw new FileFormatException(path, FileRule.CheckpointIndex, $"the tensor {Quote.Text(name)} is in two files, {byTensor[name].Path} and {file.Path}.");
                }
            }
        }
    }

    /// <summary>What was opened.</summary>
    public string Path { get; }

    /// <summary>The index, if there is one.</summary>
    public string? IndexPath { get; }

    /// <summary>The files by name, sorted.</summary>
    public IReadOnlyDictionary<string, SafetensorsFile> Files => files;

    /// <summary>All tensors' names.</summary>
    public IEnumerable<string> TensorNames => byTensor.Keys;

    /// <summary>Opens a safetensors file, an index, or a folder that holds one of them under its usual name.</summary>
    /// <exception cref="FileFormatException">A file is missing or breaks a rule, or index and files don't fit each other.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string file = Directory.Exists(path) ? FindIn(path) : path;
        return file.EndsWith(".index.json", StringComparison.Ordinal) ? OpenIndex(path, file) : OpenFiles(path, null, [file]);
    }

    /// <summary>The file that holds a tensor.</summary>
    /// <exception cref="FileFormatException">None does.</exception>
    public SafetensorsFile FileOf(string tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (byTensor.TryGetValue(tensor, out SafetensorsFile? file))
        {
            return file;
        }

        // A single file says best itself what it has.
        _ = files.Count == 1 ? files.Values.First().Entry(tensor) : null;
        throw new FileFormatException(Path, FileRule.MissingTensor, $"expected a tensor {Quote.Text(tensor)}, found {byTensor.Count} others in {files.Count} files.");
    }

    /// <summary>What a file's header says of a tensor.</summary>
    /// <exception cref="FileFormatException">No file holds it.</exception>
    public SafetensorsEntry Entry(string tensor) => FileOf(tensor).Entry(tensor);

    /// <summary>Whether a file holds a tensor.</summary>
    public bool Contains(string tensor) => byTensor.ContainsKey(tensor);

    /// <summary>The size of every module with a matrix called <c>weight</c>. Linear layers are among them; embeddings can't be told from them.</summary>
    public IReadOnlyDictionary<string, LayerSize> Modules()
    {
        var modules = new Dictionary<string, LayerSize>(StringComparer.Ordinal);
        foreach ((string name, SafetensorsFile file) in byTensor)
        {
            ImmutableArray<long> shape = file.Entry(name).Shape;
            if (name.EndsWith(WeightSuffix, StringComparison.Ordinal) && shape.Length == 2 && shape[0] > 0 && shape[1] > 0)
            {
                modules.Add(name[..^WeightSuffix.Length], new LayerSize(shape[0], shape[1]));
            }
        }

        return modules;
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile file in files.Values)
        {
            file.Dispose();
        }
    }

    private static string FindIn(string folder)
    {
        string index = System.IO.Path.Combine(folder, IndexName), single = System.IO.Path.Combine(folder, SingleName);
        return File.Exists(index) ? index : File.Exists(single) ? single
            : throw new FileFormatException(folder, FileRule.MissingFile, $"expected {SingleName} or {IndexName} in the folder, found neither; name the file itself.");
    }

    private static Checkpoint OpenIndex(string path, string indexPath)
    {
        Dictionary<string, string> map = ReadMap(indexPath);
        string folder = System.IO.Path.GetDirectoryName(indexPath)!;
        Checkpoint checkpoint = OpenFiles(path, indexPath, [.. map.Values.Distinct(StringComparer.Ordinal).Select(name => System.IO.Path.Combine(folder, name))]);
        try
        {
            CheckMap(checkpoint, map, indexPath);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    private static Checkpoint OpenFiles(string path, string? index, string[] paths)
    {
        var files = ImmutableSortedDictionary.CreateBuilder<string, SafetensorsFile>(CodePointOrder.Instance);
        try
        {
            foreach (string file in paths)
            {
                if (index is not null && !File.Exists(file))
                {
                    throw new FileFormatException(index, FileRule.MissingFile, $"the index names {Quote.Text(System.IO.Path.GetFileName(file))}, which isn't beside it.");
                }

                files.Add(System.IO.Path.GetFileName(file), SafetensorsFile.Open(file));
            }

            return new Checkpoint(path, index, files.ToImmutable());
        }
        catch
        {
            foreach (SafetensorsFile file in files.Values)
            {
                file.Dispose();
            }

            throw;
        }
    }

    private static Dictionary<string, string> ReadMap(string indexPath)
    {
        AdapterConfig index = AdapterConfig.Load(indexPath);
        JsonElement table = index.Required(MapKey);
        if (table.ValueKind != JsonValueKind.Object)
        {
            throw index.Wrong(MapKey, "an object of file names", table);
        }

        return table.EnumerateObject().ToDictionary(property => property.Name, property => FileName(index, property.Value), StringComparer.Ordinal);
    }

    /// <summary>A name in the index's own folder, never a path that leads elsewhere.</summary>
    private static string FileName(AdapterConfig index, JsonElement value)
    {
        string? name = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        bool plain = name is { Length: > 0 } && name.AsSpan().IndexOfAny('/', '\\', '\0') < 0 && name is not ("." or "..");
        return plain ? name! : throw index.Wrong(MapKey, "an object of file names in the index's own folder", value);
    }

    private static void CheckMap(Checkpoint checkpoint, Dictionary<string, string> map, string indexPath)
    {
        foreach ((string tensor, string file) in map)
        {
            if (!checkpoint.files[file].Tensors.ContainsKey(tensor))
            {
                throw new FileFormatException(indexPath, FileRule.CheckpointIndex, $"the index says that {Quote.Text(tensor)} is in {Quote.Text(file)}, which lacks it.");
            }
        }

        if (checkpoint.byTensor.Keys.FirstOrDefault(tensor => !map.ContainsKey(tensor)) is { } extra)
        {
            throw new FileFormatException(indexPath, FileRule.CheckpointIndex, $"the index leaves out {Quote.Text(extra)}, which {checkpoint.FileOf(extra).Path} holds.");
        }
    }
}
