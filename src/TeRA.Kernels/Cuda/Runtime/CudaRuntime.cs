using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>The driver of this process, loaded and initialised once for each path.</summary>
/// <param name="Driver">Its functions.</param>
/// <param name="DriverPath">Where it was found.</param>
internal sealed unsafe record CudaRuntime(DriverTable Driver, string DriverPath)
{
    // A driver may be installed or repaired while the process lives, so failures are not kept.
    private static readonly OnceMap<string, CudaRuntime> Loaded = new();

    /// <summary>Loads and initialises the driver.</summary>
    /// <exception cref="DeviceUnavailableException">There is none, or it refuses; every path tried is in the text.</exception>
    public static CudaRuntime Get(CudaOptions options)
    {
        string key = string.Join('\n', LibrarySearch.Driver(options, Environment.GetEnvironmentVariable));
        return Loaded.GetOrCreate(key, static paths => Load(paths.Split('\n')));
    }

    /// <summary>Initialises <paramref name="driver"/>.</summary>
    /// <exception cref="DeviceUnavailableException">The driver refuses.</exception>
    public static CudaRuntime Initialize(DriverTable driver, string path)
    {
        try
        {
            driver.cuInit(0).Check(driver);
        }
        catch (CudaException error)
        {
            throw new DeviceUnavailableException($"The CUDA driver ({path}) can't be used: {error.Message}", error);
        }

        return new CudaRuntime(driver, path);
    }

    /// <summary>Devices that the driver offers.</summary>
    public int DeviceCount()
    {
        int count;
        Driver.cuDeviceGetCount(&count).Check(Driver);
        return count;
    }

    /// <summary>The devices, in the driver's order.</summary>
    public ImmutableArray<CudaDeviceInfo> Devices() =>
        [.. Enumerable.Range(0, DeviceCount()).Select(ordinal => CudaProperties.Read(Driver, ordinal).Info)];

    /// <summary>The CUDA version that the driver supports.</summary>
    public Version Version()
    {
        int version;
        Driver.cuDriverGetVersion(&version).Check(Driver);
        return new Version(version / 1000, version % 1000 / 10);
    }

    private static CudaRuntime Load(string[] candidates)
    {
        LoadedLibrary library = LoadedLibrary.Load(candidates);
        if (library.Path is null)
        {
            throw new DeviceUnavailableException(
                $"No CUDA driver was found. Install NVIDIA's driver, or name its library in {LibrarySearch.DriverVariable} or CudaOptions.DriverPath. Tried:\n  "
                + string.Join("\n  ", library.Attempts));
        }

        return Initialize(new NativeDriver(new LibraryExports(library.Handle, library.Path)), library.Path);
    }
}
