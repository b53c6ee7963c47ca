using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>The outcome of looking for a native library: where it was found, and every path tried before with the loader's words.</summary>
/// <param name="Handle">The library; 0 when none was found.</param>
/// <param name="Path">What was loaded; null when nothing was.</param>
/// <param name="Attempts">Each failed path with the loader's text, in order.</param>
internal sealed record LoadedLibrary(nint Handle, string? Path, ImmutableArray<string> Attempts)
{
    /// <summary>Tries each path in order. The library is never unloaded: the CUDA libraries don't support it.</summary>
    public static LoadedLibrary Load(IEnumerable<string> candidates)
    {
        var attempts = ImmutableArray.CreateBuilder<string>();
        foreach (string candidate in candidates)
        {
            try
            {
                return new LoadedLibrary(NativeLibrary.Load(candidate), candidate, attempts.ToImmutable());
            }
            catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
            {
                attempts.Add($"{candidate}: {LoadersWords(error.Message, candidate)}");
            }
        }

        return new LoadedLibrary(0, null, attempts.ToImmutable());
    }

    // The runtime's text goes on with general advice after the loader's own words, which begin with the path again.
    private static string LoadersWords(string text, string candidate)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string line = lines.FirstOrDefault(line => line.StartsWith(candidate, StringComparison.Ordinal)) ?? lines.FirstOrDefault() ?? "not found";
        return line.StartsWith(candidate + ": ", StringComparison.Ordinal) ? line[(candidate.Length + 2)..] : line;
    }
}
