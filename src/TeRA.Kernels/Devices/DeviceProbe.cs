using System.Collections.Immutable;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels;

/// <summary>What was found of CUDA, what was not and why. Never throws: it is what one asks when something is missing.</summary>
public sealed record DeviceProbe
{
    /// <summary>The driver's library; null when there is none that works.</summary>
    public string? DriverPath { get; init; }

    /// <summary>The CUDA version that the driver supports.</summary>
    public Version? DriverVersion { get; init; }

    /// <summary>Why there is no driver or no device, with every path tried; null when there is.</summary>
    public string? DriverError { get; init; }

    /// <summary>NVRTC's library; null when there is none that works.</summary>
    public string? NvrtcPath { get; init; }

    /// <summary>NVRTC's version.</summary>
    public Version? NvrtcVersion { get; init; }

    /// <summary>Every path of NVRTC that was tried in vain, with the loader's words.</summary>
    public ImmutableArray<string> NvrtcAttempts { get; init; } = [];

    /// <summary>The GPUs, in the driver's order.</summary>
    public ImmutableArray<CudaDeviceInfo> Devices { get; init; } = [];

    /// <summary>The folder of compiled kernels; null when the cache is off.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>The folder of kernels built ahead of time, whether it exists or not.</summary>
    public required string CubinDirectory { get; init; }

    /// <summary>Whether a GPU is there, and a way to get kernels for it.</summary>
    public bool IsCudaUsable => !Devices.IsEmpty && (NvrtcPath is not null || Directory.Exists(CubinDirectory));

    /// <summary>In one line why <c>auto</c> takes the CPU; null when it takes a GPU.</summary>
    public string? WhyNotCuda =>
        IsCudaUsable ? null
        : Devices.IsEmpty ? DriverError ?? "The CUDA driver offers no device."
        : $"There is a GPU, but neither NVRTC nor the folder {CubinDirectory} to get kernels from.";

    /// <summary>Looks.</summary>
    public static DeviceProbe Run(CudaOptions? options = null)
    {
        options ??= CudaOptions.Default;
        NvrtcSearch nvrtc = NvrtcCompiler.Find(options);
        var probe = new DeviceProbe
        {
            NvrtcPath = nvrtc.Compiler?.Path,
            NvrtcVersion = nvrtc.Compiler?.Version,
            NvrtcAttempts = nvrtc.Attempts,
            CacheDirectory = CubinCache.Create(options, Environment.GetEnvironmentVariable).Directory,
            CubinDirectory = KernelCompiler.CubinDirectory(options, Environment.GetEnvironmentVariable),
        };
        return AddDriver(probe, () => CudaRuntime.Get(options));
    }

    internal static DeviceProbe AddDriver(DeviceProbe probe, Func<CudaRuntime> driver)
    {
        try
        {
            CudaRuntime runtime = driver();
            probe = probe with { DriverPath = runtime.DriverPath, DriverVersion = runtime.Version() };
            return probe with { Devices = runtime.Devices() };
        }
        catch (TeraException error)
        {
            return probe with { DriverError = error.Message };
        }
    }
}
