using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>Writes what a failed compilation saw to a folder of its own, so that it can be tried again by hand.</summary>
internal static class SourceDump
{
    /// <summary>The folder; null when the disk refuses.</summary>
    public static string? Write(ImmutableArray<KernelSource> sources, ImmutableArray<string> options, string log)
    {
        try
        {
            string folder = Directory.CreateTempSubdirectory("tera-kernel-").FullName;
            foreach (KernelSource source in sources)
            {
                string path = Path.Combine(folder, source.Name);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllText(path, source.Text);
            }

            File.WriteAllLines(Path.Combine(folder, "options.txt"), options);
            File.WriteAllText(Path.Combine(folder, "log.txt"), log);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
