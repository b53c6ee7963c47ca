using System.Collections.Immutable;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// Merges adapters into whole checkpoints, W0 + α·ΔW for every changed weight, and takes them out again. Streams tensor by tensor: memory holds a few
/// copies of the largest changed weight. The new files list the merged adapters in their metadata, so that none is merged twice.
/// </summary>
public static class CheckpointMerge
{
    /// <summary>Writes a checkpoint with an adapter merged into it.</summary>
    /// <param name="basePath">A safetensors file, an index, or a folder with one of them.</param>
    /// <param name="adapterFolder">The adapter.</param>
    /// <param name="outPath">The new file; the new folder, if the base is several files with an index.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <exception cref="ArgumentException">The backup would be written to a file of the output or of the base.</exception>
    /// <exception cref="FileFormatException">A file breaks a rule, the adapter doesn't fit the base, changes nothing, or is merged already.</exception>
    /// <exception cref="IOException">A file exists and may not be replaced, or can't be read or written; what was there is untouched.</exception>
    public static MergeReport Merge(string basePath, string adapterFolder, string outPath, MergeOptions? options = null)
    {
        options ??= new MergeOptions();
        using Checkpoint checkpoint = Checkpoint.Open(basePath);
        CheckBackup(checkpoint, outPath, options.Backup);
        using Adapter adapter = Adapter.Load(adapterFolder, options.Load);
        string digest = AdapterDigest.Of(adapterFolder);
        string[] merged = AdapterDigest.MergedIn(checkpoint);
        if (merged.Contains(digest))
        {
            throw new FileFormatException(basePath, FileRule.AlreadyMerged, $"the checkpoint already holds the adapter {adapterFolder} ({digest}); merging it again would double its change. Take the checkpoint it was merged into, or unmerge it first.");
        }

        using AdapterBinding binding = adapter.Bind(checkpoint.Modules(), options.Load.Strict);
        if (binding.Modules.IsEmpty)
        {
            throw new FileFormatException(adapterFolder, FileRule.MissingModule, "no module of the adapter fits the checkpoint: there is nothing to merge.");
        }

        return new AdapterMerger(checkpoint, binding, options).Write(outPath, digest, [.. merged, digest]);
    }

    /// <summary>
    /// Writes a checkpoint as it was before its last merge, bit for bit, from the backup that the merge kept. The kept tensors must be the bytes that were
    /// kept, the checkpoint's the bytes that the merge wrote; tensors that it didn't change are copied as they are, unchecked.
    /// </summary>
    /// <param name="mergedPath">The merged checkpoint.</param>
    /// <param name="backupPath">The backup.</param>
    /// <param name="outPath">The new file or folder.</param>
    /// <param name="options">Choices; null for the defaults. Device, backup and load are of no use here.</param>
    /// <returns>The names of the tensors that were put back.</returns>
    /// <exception cref="FileFormatException">A file breaks a rule, the backup is damaged, has no hashes, or is not of the checkpoint's last merge, or a merged tensor changed since.</exception>
    /// <exception cref="IOException">A file exists and may not be replaced, or can't be read or written.</exception>
    public static ImmutableArray<string> Unmerge(string mergedPath, string backupPath, string outPath, MergeOptions? options = null)
    {
        options ??= new MergeOptions();
        using Checkpoint checkpoint = Checkpoint.Open(mergedPath);
        using MergeBackup backup = MergeBackup.Open(backupPath, options.AllowUncheckedBackup);
        string[] merged = AdapterDigest.MergedIn(checkpoint);
        if (merged.Length == 0 || merged[^1] != backup.Adapter)
        {
            string last = merged.Length == 0 ? "none" : merged[^1];
            throw new FileFormatException(mergedPath, FileRule.NotMerged, $"the backup is from before the adapter {backup.Adapter}, but the checkpoint's last merged adapter is {last}. Unmerge in reverse order, each from its own backup.");
        }

        var replaced = new Dictionary<string, Action<Stream>>(StringComparer.Ordinal);
        foreach (SafetensorsEntry kept in backup.Tensors)
        {
            SafetensorsEntry now = checkpoint.Entry(kept.Name);
            if (now.DType != kept.DType || !now.Shape.SequenceEqual(kept.Shape))
            {
                throw new FileFormatException(backupPath, FileRule.ShapeMismatch, $"expected {now} as in the checkpoint, found {kept}.");
            }

            replaced.Add(kept.Name, stream => backup.Restore(kept.Name, checkpoint.FileOf(kept.Name), stream));
        }

        using var writer = new CheckpointWriter(checkpoint, outPath, options);
        writer.Write(replaced, merged[..^1]);
        writer.Publish();
        return [.. replaced.Keys.Order(CodePointOrder.Instance)];
    }

    /// <summary>One of two files of a name would replace the other, and with it the only copy of the weights as they were.</summary>
    private static void CheckBackup(Checkpoint checkpoint, string outPath, string? backup)
    {
        if (backup is null)
        {
            return;
        }

        string full = Path.GetFullPath(backup);
        if (CheckpointWriter.Targets(checkpoint, outPath).Concat(checkpoint.Files.Values.Select(file => file.Path)).Any(path => Path.GetFullPath(path) == full))
        {
            throw new ArgumentException($"the backup {backup} must be a file of its own, found a file of the base or of the output.", nameof(backup));
        }
    }
}
