using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// From a request to a cubin: the cache on disk, then NVRTC; where NVRTC is missing, the folder of kernels built ahead of time.
/// Independent of any GPU.
/// </summary>
/// <param name="sources">The kernels.</param>
/// <param name="cache">The cache.</param>
/// <param name="search">NVRTC, or where it was looked for.</param>
/// <param name="cubinDirectory">Kernels built ahead of time.</param>
internal sealed class KernelCompiler(KernelSources sources, CubinCache cache, NvrtcSearch search, string cubinDirectory)
{
    /// <summary>The environment variable of the folder of kernels built ahead of time.</summary>
    public const string CubinVariable = "TERA_CUBINS";

    /// <summary>The compiler that the options and the environment ask for.</summary>
    public static KernelCompiler Create(CudaOptions options) => new(
        KernelSources.Embedded,
        CubinCache.Create(options, Environment.GetEnvironmentVariable),
        NvrtcCompiler.Find(options),
        CubinDirectory(options, Environment.GetEnvironmentVariable));

    /// <summary>The folder of kernels built ahead of time: option, <c>TERA_CUBINS</c>, <c>cubins</c> beside the program.</summary>
    public static string CubinDirectory(CudaOptions options, Func<string, string?> environment)
    {
        string? variable = environment(CubinVariable);
        return options.CubinDirectory ?? (string.IsNullOrEmpty(variable) ? Path.Combine(AppContext.BaseDirectory, "cubins") : variable);
    }

    /// <summary>The cubin of <paramref name="request"/>, and whether it comes from the cache.</summary>
    /// <param name="request">File and options; the entry does not matter.</param>
    /// <param name="architecture">The target.</param>
    /// <param name="fresh">Compile anew whatever the cache says, and replace its entry.</param>
    /// <exception cref="KernelCompilationException">The source does not compile.</exception>
    /// <exception cref="DeviceUnavailableException">There is no NVRTC, and nothing built ahead of time.</exception>
    public CompiledKernel Compile(KernelRequest request, string architecture, bool fresh = false)
    {
        ImmutableArray<KernelSource> reached = sources.Closure(request.File);
        if (search.Compiler is not { } compiler)
        {
            return new CompiledKernel(ReadAheadOfTime(request, reached, architecture), FromCache: false);
        }

        KernelKey key = KernelKey.Create(reached, request.Options, architecture, $"nvrtc {compiler.Version}");
        if (!fresh && cache.Read(key) is { } known)
        {
            return new CompiledKernel(known, FromCache: true);
        }

        byte[] cubin = compiler.Compile(reached, request.Options, architecture);
        cache.Write(key, cubin);
        return new CompiledKernel(cubin, FromCache: false);
    }

    /// <summary>The file that a build ahead of time gives a request.</summary>
    public static KernelKey AheadOfTimeKey(KernelSources sources, KernelRequest request, string architecture) =>
        KernelKey.Create(sources.Closure(request.File), request.Options, architecture, string.Empty);

    private byte[] ReadAheadOfTime(KernelRequest request, ImmutableArray<KernelSource> reached, string architecture)
    {
        string path = Path.Combine(cubinDirectory, KernelKey.Create(reached, request.Options, architecture, string.Empty).FileName);
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DeviceUnavailableException(
                $"{request} has to be compiled for {architecture}, and NVRTC was not found. Install the CUDA toolkit's NVRTC (12.0 or newer), name its library in "
                + $"{LibrarySearch.NvrtcVariable} or CudaOptions.NvrtcPath, or put kernels built ahead of time into {cubinDirectory}. Tried:\n  "
                + string.Join("\n  ", search.Attempts.Append(path)),
                error);
        }
    }
}

/// <summary>A cubin and where it comes from.</summary>
/// <param name="Cubin">The bytes.</param>
/// <param name="FromCache">Read from the disk cache.</param>
internal readonly record struct CompiledKernel(byte[] Cubin, bool FromCache);
