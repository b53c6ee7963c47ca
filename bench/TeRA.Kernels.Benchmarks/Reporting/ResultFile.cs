using System.Text.Json;
using System.Text.Json.Serialization;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>What one command measured in one process, as it is written to <c>bench/results</c>; the peers' script writes the same form.</summary>
/// <typeparam name="TRow">One measurement.</typeparam>
internal sealed record ResultFile<TRow>
{
    /// <summary>The command that wrote it.</summary>
    public required string Command { get; init; }

    /// <summary>The card.</summary>
    public required string Device { get; init; }

    /// <summary>The driver's version; null when it did not say.</summary>
    public string? Driver { get; init; }

    /// <summary>CUDA's version.</summary>
    public string? Cuda { get; init; }

    /// <summary>NVRTC's version, for kernels that were compiled at run time.</summary>
    public string? Nvrtc { get; init; }

    /// <summary>PyTorch's version, in the peers' results.</summary>
    public string? Torch { get; init; }

    /// <summary>PEFT's version, in the peers' results.</summary>
    public string? Peft { get; init; }

    /// <summary>The day, UTC.</summary>
    public required string Date { get; init; }

    /// <summary>The commit that was built; null for a build outside git.</summary>
    public string? Commit { get; init; }

    /// <summary>The measurements.</summary>
    public required IReadOnlyList<TRow> Rows { get; init; }

    /// <summary>The card, the versions and the day in one line.</summary>
    [JsonIgnore]
    public string Circumstances => string.Join(
        ", ",
        new[] { Device, Named("driver", Driver), Named("CUDA", Cuda), Named("NVRTC", Nvrtc), Named("PyTorch", Torch), Named("PEFT", Peft), Date, Named("commit", Commit?[..Math.Min(7, Commit.Length)]) }
            .Where(part => part.Length > 0));

    private static string Named(string name, string? value) => value is null ? "" : $"{name} {value}";
}

/// <summary>Reads and writes result files.</summary>
internal static class ResultFile
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    /// <summary>Reads one.</summary>
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="InvalidDataException">It is no result file; the message says where.</exception>
    public static ResultFile<TRow> Read<TRow>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<ResultFile<TRow>>(File.ReadAllBytes(path), Options) ?? throw new InvalidDataException($"{path}: expected a result, found null.");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path} is no result of this program: {error.Message}", error);
        }
    }

    /// <summary>Writes one.</summary>
    public static void Write<TRow>(string path, ResultFile<TRow> result) => File.WriteAllText(path, JsonSerializer.Serialize(result, Options) + "\n");

    /// <summary>The newest result of a command in a folder, by the date that its name begins with; null when there is none.</summary>
    public static string? Newest(string folder, string command) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, $"*-{command}.json").OrderBy(Path.GetFileName, StringComparer.Ordinal).LastOrDefault() : null;
}
