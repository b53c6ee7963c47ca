namespace TeRA.Kernels;

/// <summary>
/// Where the CUDA device finds its libraries and keeps its kernels. Each setting goes: this object, then the environment
/// variable, then the default.
/// </summary>
public sealed record CudaOptions
{
    /// <summary>The defaults, which the environment may change.</summary>
    public static CudaOptions Default { get; } = new();

    /// <summary>
    /// The driver's library (<c>libcuda.so.1</c>, <c>nvcuda.dll</c>), or the folder that holds it. Environment: <c>TERA_CUDA_DRIVER</c>.
    /// When set, nothing else is tried.
    /// </summary>
    public string? DriverPath { get; init; }

    /// <summary>
    /// NVRTC's library (<c>libnvrtc.so.13</c> …), or the folder that holds it. Environment: <c>TERA_NVRTC</c>. When set, nothing else is
    /// tried; else <c>CUDA_HOME</c>, <c>CUDA_PATH</c>, the loader's own search and the usual folders are, newest version first.
    /// </summary>
    public string? NvrtcPath { get; init; }

    /// <summary>
    /// The folder of compiled kernels. Environment: <c>TERA_CACHE</c>. Default: <c>tera-kernels</c> in <c>XDG_CACHE_HOME</c> or
    /// <c>~/.cache</c>, on Windows in the local application data.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Neither read nor write compiled kernels on disk. Environment: <c>TERA_CACHE=off</c>.</summary>
    public bool DisableCache { get; init; }

    /// <summary>
    /// A folder of kernels that were compiled ahead of time, used where NVRTC is missing. Environment: <c>TERA_CUBINS</c>. Default:
    /// <c>cubins</c> beside the program.
    /// </summary>
    public string? CubinDirectory { get; init; }
}
