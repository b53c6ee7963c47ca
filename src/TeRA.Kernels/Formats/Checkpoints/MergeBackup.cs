using System.Security.Cryptography;
using System.Text;

namespace TeRA.Kernels.Formats;

/// <summary>
/// The tensors that a merge changed, as they were, with what is needed to tell that they may be put back: SHA-256 of each tensor's bytes before and
/// after the merge, and a seal over the list of them. They are checked while the bytes pass, so that what was checked is what is written.
/// </summary>
internal sealed class MergeBackup : IDisposable
{
    /// <summary>The metadata key with the digest of the adapter that was merged.</summary>
    public const string AdapterKey = "tera.backup_before";

    /// <summary>The metadata key of the seal.</summary>
    public const string SealKey = "tera.backup_seal";

    /// <summary>Starts the metadata key of each tensor's two hashes; the tensor's name follows.</summary>
    public const string TensorKey = "tera.backup_of.";

    private readonly SafetensorsFile file;
    private readonly bool hasHashes;

    private MergeBackup(SafetensorsFile file, bool allowUnchecked)
    {
        this.file = file;
        if (!file.Metadata.TryGetValue(AdapterKey, out string? adapter))
        {
            throw new FileFormatException(file.Path, FileRule.NotMerged, $"expected a backup that a merge kept (metadata key {AdapterKey}), found another file.");
        }

        Adapter = adapter;
        hasHashes = file.Metadata.Keys.Any(key => key == SealKey || key.StartsWith(TensorKey, StringComparison.Ordinal));
        if (hasHashes)
        {
            CheckSeal();
        }
        else if (!allowUnchecked)
        {
            throw new FileFormatException(file.Path, FileRule.BackupUnchecked, $"expected the hashes of the kept tensors (metadata key {SealKey}), found none: an early version kept this backup, and nothing tells whether its bytes are whole and belong to this checkpoint. To put them back as they are, allow it (--unchecked in tera).");
        }

        if (file.Tensors.Count == 0)
        {
            throw Damaged("expected the tensors that the merge changed, found none.");
        }
    }

    /// <summary>The digest of the adapter that was merged.</summary>
    public string Adapter { get; }

    /// <summary>The kept tensors.</summary>
    public IEnumerable<SafetensorsEntry> Tensors => file.Tensors.Values;

    /// <summary>Opens a backup and checks its list of tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="allowUnchecked">Whether a backup without hashes is taken as it is.</param>
    public static MergeBackup Open(string path, bool allowUnchecked)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            return new MergeBackup(file, allowUnchecked);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a backup.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="before">The checkpoint before the merge.</param>
    /// <param name="adapter">The adapter's digest.</param>
    /// <param name="hashes">The hashes before and after, of each changed tensor.</param>
    public static void Write(Stream stream, Checkpoint before, string adapter, IReadOnlyDictionary<string, (string Before, string After)> hashes)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt", [AdapterKey] = adapter };
        foreach ((string name, (string old, string now)) in hashes)
        {
            metadata.Add(TensorKey + name, $"{old} {now}");
        }

        metadata.Add(SealKey, Seal(metadata, hashes.Keys.Select(before.Entry)));
        SafetensorsWriter.Write(stream, hashes.Keys.Select(name => SafetensorsSource.From(before.FileOf(name), name)), metadata);
    }

    /// <summary>Has a callback write to a stream, and says what the bytes' hash is.</summary>
    public static string HashWritten(Stream stream, Action<Stream> write)
    {
        using var hash = SHA256.Create();
        using (var passing = new CryptoStream(stream, hash, CryptoStreamMode.Write, leaveOpen: true))
        {
            write(passing);
        }

        return Text(hash.Hash!);
    }

    /// <summary>The hash of a tensor's bytes in a file.</summary>
    public static string HashOf(SafetensorsFile file, string tensor) => HashWritten(Stream.Null, stream => file.CopyTo(tensor, stream));

    /// <summary>Writes a tensor as it was before the merge, if the checkpoint's is the merged one and the kept one is whole.</summary>
    public void Restore(string tensor, SafetensorsFile merged, Stream stream)
    {
        if (!hasHashes)
        {
            file.CopyTo(tensor, stream);
            return;
        }

        if (file.Metadata[TensorKey + tensor].Split(' ') is not [string before, string after])
        {
            throw Damaged($"expected two hashes under {TensorKey}{tensor}, found {Quote.Text(file.Metadata[TensorKey + tensor])}.");
        }

        string now = HashOf(merged, tensor);
        if (now != after)
        {
            throw new FileFormatException(merged.Path, FileRule.WeightChanged, $"expected {Quote.Text(tensor)} as the merge wrote it ({after}), found {now}. It changed since, or the backup {file.Path} is from a merge into another checkpoint; nothing was put back.");
        }

        string kept = HashWritten(stream, passing => file.CopyTo(tensor, passing));
        if (kept != before)
        {
            throw Damaged($"expected {Quote.Text(tensor)} as it was before the merge ({before}), found {kept}. The backup was damaged or edited; nothing was put back.");
        }
    }

    public void Dispose() => file.Dispose();

    /// <summary>What the file lists must be what it holds, no more and no less.</summary>
    private void CheckSeal()
    {
        string[] listed = [.. file.Metadata.Keys.Where(key => key.StartsWith(TensorKey, StringComparison.Ordinal)).Select(key => key[TensorKey.Length..])];
        if (listed.FirstOrDefault(name => !file.Tensors.ContainsKey(name)) is { } missing)
        {
            throw Damaged($"expected the tensor {Quote.Text(missing)}, which the merge kept, found no such tensor.");
        }

        if (file.Tensors.Keys.Except(listed, StringComparer.Ordinal).FirstOrDefault() is { } extra)
        {
            throw Damaged($"expected only tensors that the merge kept, found {Quote.Text(extra)}.");
        }

        string? expected = file.Metadata.GetValueOrDefault(SealKey);
        string found = Seal(file.Metadata, file.Tensors.Values);
        if (found != expected)
        {
            throw Damaged($"expected a header with the seal {expected ?? "that a merge writes"}, found one with {found}. The header was damaged or edited.");
        }
    }

    private static string Seal(IReadOnlyDictionary<string, string> metadata, IEnumerable<SafetensorsEntry> tensors)
    {
        var text = new StringBuilder(metadata[AdapterKey]).Append('\n');
        foreach (SafetensorsEntry entry in tensors.OrderBy(entry => entry.Name, CodePointOrder.Instance))
        {
            text.Append($"{entry.Name}\n{entry.DType.Label()} {string.Join(',', entry.Shape)} {metadata[TensorKey + entry.Name]}\n");
        }

        return Text(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static string Text(byte[] hash) => "sha256:" + Convert.ToHexStringLower(hash);

    private FileFormatException Damaged(string message) => new(file.Path, FileRule.BackupDamaged, message);
}
