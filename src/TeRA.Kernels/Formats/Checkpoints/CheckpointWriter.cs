namespace TeRA.Kernels.Formats;

/// <summary>
/// Writes a checkpoint again with some tensors replaced: file by file, tensor by tensor, everything beside its place until all of it is whole.
/// </summary>
internal sealed class CheckpointWriter(Checkpoint source, string path, MergeOptions options) : IDisposable
{
    private readonly List<PendingFile> pending = [];
    private readonly long total = source.Files.Values.Sum(file => file.Tensors.Values.Sum(entry => entry.ByteCount));
    private long done;
    private string? madeFolder;

    /// <summary>Writes everything.</summary>
    /// <param name="replaced">Writes the bytes of a replaced tensor, by name; its dtype and shape stay.</param>
    /// <param name="merged">The adapters that the new files hold.</param>
    public void Write(IReadOnlyDictionary<string, Action<Stream>> replaced, IReadOnlyList<string> merged)
    {
        bool sharded = source.IndexPath is not null;
        if (sharded)
        {
            madeFolder = Directory.Exists(path) ? null : path;
            PendingFile.CreateFolder(path);
        }
        else if (Directory.Exists(path))
        {
            throw new IOException($"{path}: the base is one file, so the output is one too; found a folder of that name.");
        }

        foreach ((string name, SafetensorsFile file) in source.Files)
        {
            Write(sharded ? Path.Combine(path, name) : path, file, replaced, merged);
        }

        if (sharded)
        {
            byte[] index = File.ReadAllBytes(source.IndexPath!);
            Begin(Path.Combine(path, Path.GetFileName(source.IndexPath!)), index.Length).Write(stream => stream.Write(index));
        }
    }

    /// <summary>Puts everything in its place; the index comes last.</summary>
    public void Publish()
    {
        int published = 0;
        try
        {
            for (; published < pending.Count; published++)
            {
                pending[published].Publish();
            }

            madeFolder = null;
        }
        catch
        {
            pending.Take(published).ToList().ForEach(file => file.Retract());
            throw;
        }
    }

    public void Dispose()
    {
        pending.ForEach(file => file.Dispose());
        if (madeFolder is not null)
        {
            PendingFile.TryDeleteFolder(madeFolder);
        }
    }

    private void Write(string target, SafetensorsFile file, IReadOnlyDictionary<string, Action<Stream>> replaced, IReadOnlyList<string> merged)
    {
        SafetensorsSource[] tensors = [.. file.Tensors.Values.Select(entry => SafetensorsSource.From(
            entry.Name, entry.DType, stream => WriteTensor(file, entry, replaced, stream), entry.Shape.AsSpan()))];
        var metadata = new Dictionary<string, string>(file.Metadata);
        metadata.Remove(AdapterDigest.MergedKey);
        if (merged.Count > 0)
        {
            metadata[AdapterDigest.MergedKey] = string.Join(' ', merged);
        }

        Begin(target, tensors.Sum(tensor => tensor.ByteCount)).Write(stream => SafetensorsWriter.Write(stream, tensors, metadata));
    }

    /// <summary>Every file that a checkpoint like this one would be written to.</summary>
    public static IEnumerable<string> Targets(Checkpoint source, string path) => source.IndexPath is { } index
        ? source.Files.Keys.Append(Path.GetFileName(index)).Select(name => Path.Combine(path, name))
        : [path];

    private PendingFile Begin(string target, long bytes)
    {
        var file = new PendingFile(target, options.Overwrite, bytes);
        pending.Add(file);
        return file;
    }

    private void WriteTensor(SafetensorsFile file, SafetensorsEntry entry, IReadOnlyDictionary<string, Action<Stream>> replaced, Stream stream)
    {
        options.Cancellation.ThrowIfCancellationRequested();
        if (replaced.TryGetValue(entry.Name, out Action<Stream>? write))
        {
            write(stream);
        }
        else
        {
            file.CopyTo(entry.Name, stream);
        }

        done += entry.ByteCount;
        options.Progress?.Invoke(new MergeProgress(entry.Name, done, total));
    }
}
