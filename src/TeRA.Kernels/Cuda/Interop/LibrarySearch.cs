using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Where the native libraries are looked for, in order. Pure: the environment comes in as a function.
/// An explicit path (option or variable) is final: when it fails, nothing else is tried in silence.
/// </summary>
internal static class LibrarySearch
{
    /// <summary>Environment variable that names the driver's library.</summary>
    public const string DriverVariable = "TERA_CUDA_DRIVER";

    /// <summary>Environment variable that names NVRTC's library.</summary>
    public const string NvrtcVariable = "TERA_NVRTC";

    /// <summary>Newest major version of CUDA first.</summary>
    private static readonly string[] NvrtcNames = RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
        ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
        : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

    private static readonly string[] DriverNames = RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
        ? ["nvcuda.dll"]
        : ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"];

    /// <summary>Option, <c>TERA_CUDA_DRIVER</c>, then the loader's own search and WSL's folder.</summary>
    public static IEnumerable<string> Driver(CudaOptions options, Func<string, string?> environment) =>
        Explicit(options.DriverPath, environment(DriverVariable), DriverNames) ?? DriverNames;

    /// <summary>Option, <c>TERA_NVRTC</c>, <c>CUDA_HOME</c>, <c>CUDA_PATH</c>, the loader's own search, the usual folders.</summary>
    public static IEnumerable<string> Nvrtc(CudaOptions options, Func<string, string?> environment) =>
        Explicit(options.NvrtcPath, environment(NvrtcVariable), NvrtcNames) ?? NvrtcDefaults(environment);

    private static IEnumerable<string>? Explicit(string? option, string? variable, string[] names)
    {
        string? path = string.IsNullOrEmpty(option) ? variable : option;
        if (string.IsNullOrEmpty(path))
        {
            return null;
        }

        return Directory.Exists(path) ? names.Select(name => Path.Combine(path, Path.GetFileName(name))) : [path];
    }

    private static IEnumerable<string> NvrtcDefaults(Func<string, string?> environment)
    {
        string[] homes = [.. new[] { environment("CUDA_HOME"), environment("CUDA_PATH") }.OfType<string>().Where(home => home.Length > 0)];
        string[] folders = RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
            ? [.. homes.SelectMany(home => new[] { Path.Combine(home, "bin", "x64"), Path.Combine(home, "bin") })]
            : [.. homes.SelectMany(home => new[] { Path.Combine(home, "lib64"), Path.Combine(home, "lib") })];
        string[] usual = RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
            ? []
            : ["/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
        return InFolders(folders).Concat(NvrtcNames).Concat(InFolders(usual));
    }

    private static IEnumerable<string> InFolders(string[] folders) =>
        folders.SelectMany(folder => NvrtcNames.Select(name => Path.Combine(folder, name)));
}
