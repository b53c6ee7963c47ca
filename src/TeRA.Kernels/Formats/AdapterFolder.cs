namespace TeRA.Kernels.Formats;

/// <summary>The two files of an adapter, laid out as PEFT lays them out; every method's adapters live in such a folder.</summary>
internal static class AdapterFolder
{
    public const string ConfigName = "adapter_config.json";
    public const string TensorsName = "adapter_model.safetensors";
    public const string ModelPrefix = "base_model.model.";
    private static readonly Dictionary<string, string> PeftMetadata = new() { ["format"] = "pt" };
    private const string PickleName = "adapter_model.bin";

    /// <summary>The paths of both files, which must be there.</summary>
    public static (string Config, string Tensors) Find(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string config = Path.Combine(folder, ConfigName);
        string tensors = Path.Combine(folder, TensorsName);
        if (!File.Exists(config))
        {
            throw new FileFormatException(folder, FileRule.MissingFile, $"expected an adapter's folder with {ConfigName} and {TensorsName}, found no {ConfigName}{SubFolders(folder)}.");
        }

        if (!File.Exists(tensors))
        {
            string hint = File.Exists(Path.Combine(folder, PickleName))
                ? $"; {PickleName} is a pickle, which runs code when it is read and is never read here: save the adapter again as safetensors"
                : string.Empty;
            throw new FileFormatException(folder, FileRule.MissingFile, $"expected {TensorsName} beside {ConfigName}, found none{hint}.");
        }

        return (config, tensors);
    }

    /// <summary>PEFT saves adapters that aren't called "default" in sub-folders of their names.</summary>
    private static string SubFolders(string folder)
    {
        string[] found = Directory.Exists(folder)
            ? [.. Directory.EnumerateDirectories(folder).Where(sub => File.Exists(Path.Combine(sub, ConfigName))).Take(3).Select(sub => Quote.Text(Path.GetFileName(sub)))]
            : [];
        return found.Length == 0 ? string.Empty : $"; the sub-folder{(found.Length == 1 ? string.Empty : "s")} {string.Join(", ", found)} would do";
    }

    /// <summary>Writes both files whole before either takes its place.</summary>
    public static void Save(string folder, AdapterConfig config, IReadOnlyCollection<SafetensorsSource> tensors, bool overwrite, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        PendingFile.CreateFolder(folder);
        byte[] text = config.ToUtf8();
        using var tensorFile = new PendingFile(Path.Combine(folder, TensorsName), overwrite, tensors.Sum(tensor => tensor.ByteCount));
        using var configFile = new PendingFile(Path.Combine(folder, ConfigName), overwrite, text.Length);
        tensorFile.Write(stream => SafetensorsWriter.Write(stream, tensors, metadata ?? PeftMetadata));
        configFile.Write(stream => stream.Write(text));
        tensorFile.Publish();
        try
        {
            configFile.Publish();
        }
        catch
        {
            tensorFile.Retract();
            throw;
        }
    }
}
