using System.Security.Cryptography;

namespace TeRA.Kernels.Formats;

/// <summary>Names an adapter by its contents, in the metadata of checkpoints that hold it.</summary>
internal static class AdapterDigest
{
    /// <summary>The metadata key that lists merged adapters, the first one first, with spaces between.</summary>
    public const string MergedKey = "tera.merged";

    /// <summary>SHA-256 over both files.</summary>
    public static string Of(string folder)
    {
        (string config, string tensors) = AdapterFolder.Find(folder);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string path in new[] { config, tensors })
        {
            using FileStream stream = File.OpenRead(path);
            hash.AppendData(SHA256.HashData(stream));
        }

        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The adapters that a checkpoint holds.</summary>
    public static string[] MergedIn(Checkpoint checkpoint)
    {
        string[] lists = [.. checkpoint.Files.Values.Select(file => file.Metadata.GetValueOrDefault(MergedKey, string.Empty)).Distinct(StringComparer.Ordinal)];
        return lists.Length == 1
            ? lists[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : throw new FileFormatException(checkpoint.Path, FileRule.CheckpointIndex, $"the files of the checkpoint disagree on which adapters were merged (metadata key {MergedKey}); they are of different checkpoints.");
    }
}
