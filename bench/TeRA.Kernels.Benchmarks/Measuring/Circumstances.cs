using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>Under what a measurement was made: card, versions, day, commit.</summary>
internal static unsafe class Circumstances
{
    private static readonly string[] ManagementLibraries = ["libnvidia-ml.so.1", "nvml.dll"];

    /// <summary>A result with everything but its rows filled in.</summary>
    public static ResultFile<TRow> Result<TRow>(string command, string device, IReadOnlyList<TRow> rows)
    {
        DeviceProbe probe = DeviceProbe.Run();
        return new ResultFile<TRow>
        {
            Command = command,
            Device = device,
            Driver = DriverVersion(),
            Cuda = probe.DriverVersion?.ToString(),
            Nvrtc = probe.NvrtcVersion?.ToString(),
            Date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            Commit = Commit(),
            Rows = rows,
        };
    }

    // The SDK writes the commit behind the version: 0.1.0+5b7ad1e….
    private static string? Commit() =>
        typeof(CudaDevice).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+') is [_, { Length: > 0 } commit] ? commit : null;

    // The CUDA driver tells only CUDA's version; its own comes from NVML, which is installed with it.
    private static string? DriverVersion()
    {
        nint library = ManagementLibraries.Select(name => NativeLibrary.TryLoad(name, out nint found) ? found : 0).FirstOrDefault(found => found != 0);
        if (library == 0)
        {
            return null;
        }

        const int length = 96;
        byte* text = stackalloc byte[length];
        var initialize = (delegate* unmanaged<int>)NativeLibrary.GetExport(library, "nvmlInit_v2");
        var version = (delegate* unmanaged<byte*, uint, int>)NativeLibrary.GetExport(library, "nvmlSystemGetDriverVersion");
        return initialize() == 0 && version(text, length) == 0 ? Marshal.PtrToStringUTF8((nint)text) : null;
    }
}
