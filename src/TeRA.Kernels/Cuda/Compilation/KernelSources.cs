using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Reflection;

namespace TeRA.Kernels.Cuda;

/// <summary>One file of <c>kernels/</c>.</summary>
/// <param name="Name">Relative to <c>kernels/</c>, as an include names it.</param>
/// <param name="Text">Its text.</param>
internal readonly record struct KernelSource(string Name, string Text);

/// <summary>The files of <c>kernels/</c>, embedded in the assembly, and which includes which.</summary>
/// <param name="files">Text by name.</param>
internal sealed class KernelSources(IReadOnlyDictionary<string, string> files)
{
    private const string Prefix = "kernels/";

    private static readonly Lazy<KernelSources> LazyEmbedded = new(ReadEmbedded);

    /// <summary>The sources this assembly carries.</summary>
    public static KernelSources Embedded => LazyEmbedded.Value;

    /// <summary>Every name, in ordinal order.</summary>
    public IEnumerable<string> Names => files.Keys.Order(StringComparer.Ordinal);

    /// <summary>The text of one file.</summary>
    /// <exception cref="ArgumentException">There is no such file.</exception>
    public string Text(string file) => files.TryGetValue(file, out string? text)
        ? text
        : throw new ArgumentException($"There is no kernels/{file}; there are {string.Join(", ", Names)}.", nameof(file));

    /// <summary>
    /// <paramref name="file"/> first, then every header it reaches, in ordinal order. Includes under a condition count as reached: a key
    /// made of too much only compiles once more than needed.
    /// </summary>
    /// <exception cref="ArgumentException">There is no such file.</exception>
    /// <exception cref="InvalidOperationException">A header is missing, with who includes it.</exception>
    public ImmutableArray<KernelSource> Closure(string file)
    {
        string text = Text(file);
        var reached = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Collect(file, text, reached);
        reached.Remove(file);
        return [new KernelSource(file, text), .. reached.Select(pair => new KernelSource(pair.Key, pair.Value))];
    }

    /// <summary>The names that <paramref name="text"/> includes in quotes.</summary>
    internal static IEnumerable<string> Includes(string text)
    {
        foreach (string line in text.Split('\n'))
        {
            string rest = line.Trim();
            if (!rest.StartsWith('#') || !rest[1..].TrimStart().StartsWith("include", StringComparison.Ordinal))
            {
                continue;
            }

            int start = rest.IndexOf('"', StringComparison.Ordinal) + 1;
            int end = start > 0 ? rest.IndexOf('"', start) : -1;
            if (end > start)
            {
                yield return rest[start..end];
            }
        }
    }

    private static KernelSources ReadEmbedded()
    {
        Assembly assembly = typeof(KernelSources).Assembly;
        return new KernelSources(assembly.GetManifestResourceNames()
            .Select(name => (Resource: name, Name: name.Replace('\\', '/')))
            .Where(entry => entry.Name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToFrozenDictionary(entry => entry.Name[Prefix.Length..], entry => Read(assembly, entry.Resource), StringComparer.Ordinal));
    }

    private static string Read(Assembly assembly, string resource)
    {
        using Stream stream = assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"The assembly lists the resource {resource} and does not give it.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private void Collect(string name, string text, SortedDictionary<string, string> reached)
    {
        if (!reached.TryAdd(name, text))
        {
            return;
        }

        foreach (string include in Includes(text))
        {
            string header = files.TryGetValue(include, out string? found)
                ? found
                : throw new InvalidOperationException($"kernels/{name} includes \"{include}\", and there is no kernels/{include}.");
            Collect(include, header, reached);
        }
    }
}
