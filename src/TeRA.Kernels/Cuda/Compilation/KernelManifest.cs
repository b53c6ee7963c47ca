using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The list of all kernels and of the files that a build ahead of time puts them into: one line a file, with tabs between source,
/// target, file name and the options (between semicolons). The names carry a hash of everything the kernel is made of, so a cubin of older
/// sources is never taken for a newer one.
/// </summary>
internal static class KernelManifest
{
    /// <summary>Every variant once; entries of the same file and options share a cubin.</summary>
    public static ImmutableArray<KernelRequest> Modules { get; } =
        [.. StepLauncher.Variants.Select(request => request with { Entry = string.Empty }).Distinct()];

    /// <summary>Writes the manifest for <paramref name="architectures"/>, in their order.</summary>
    public static void Write(TextWriter writer, IEnumerable<string> architectures)
    {
        foreach (string architecture in architectures)
        {
            foreach (KernelRequest request in Modules.Where(request => request.IsFor(architecture)))
            {
                string name = KernelCompiler.AheadOfTimeKey(KernelSources.Embedded, request, architecture).FileName;
                writer.Write($"{request.File}\t{architecture}\t{name}\t{string.Join(';', request.Options)}\n");
            }
        }
    }
}
