using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera devices</c>: what was found, what was not, and why.</summary>
internal static class DevicesCommand
{
    public static Command Create()
    {
        var command = new Command("devices", "What was found here: driver, NVRTC, GPUs, folders; what was not, and every path tried.");
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        DeviceProbe probe = DeviceProbe.Run();
        context.Terminal.Table("Devices", ["id", "name", "kind", "processors", "memory"], [Cpu(), .. probe.Devices.Select(Gpu)]);
        foreach (string line in Lines(probe))
        {
            context.Terminal.Line(line);
        }

        if (context.Json)
        {
            JsonOutput.Write(Json(probe));
        }

        return ExitCodes.Success;
    }

    private static IReadOnlyList<string> Cpu() =>
        ["cpu", CpuDevice.Shared.Name, "cpu", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture), Memory(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)];

    private static IReadOnlyList<string> Gpu(CudaDeviceInfo device) =>
    [
        $"cuda:{device.Ordinal}",
        device.Name,
        $"compute capability {device.Major}.{device.Minor}",
        device.Processors.ToString(CultureInfo.InvariantCulture),
        Memory(device.MemoryBytes),
    ];

    private static string Memory(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 30):F1} GiB");

    private static IEnumerable<string> Lines(DeviceProbe probe)
    {
        yield return probe.DriverPath is null ? $"driver: none. {probe.DriverError}" : $"driver: {probe.DriverPath}, CUDA {probe.DriverVersion}";
        if (probe is { DriverPath: not null, DriverError: { } error })
        {
            yield return $"driver: {error}";
        }

        yield return probe.NvrtcPath is null ? "NVRTC: none" : $"NVRTC: {probe.NvrtcPath}, version {probe.NvrtcVersion}";
        foreach (string attempt in probe.NvrtcAttempts)
        {
            yield return $"  tried {attempt}";
        }

        yield return $"kernel cache: {probe.CacheDirectory ?? "off"}";
        yield return $"kernels built ahead of time: {probe.CubinDirectory}{(Directory.Exists(probe.CubinDirectory) ? "" : " (not there)")}";
        yield return probe.WhyNotCuda is { } reason ? $"auto takes the CPU: {reason}" : "auto takes cuda:0";
    }

    private static JsonObject Json(DeviceProbe probe) => new()
    {
        ["driver"] = probe.DriverPath,
        ["driver_cuda_version"] = probe.DriverVersion?.ToString(),
        ["driver_error"] = probe.DriverError,
        ["nvrtc"] = probe.NvrtcPath,
        ["nvrtc_version"] = probe.NvrtcVersion?.ToString(),
        ["nvrtc_attempts"] = JsonOutput.Array(probe.NvrtcAttempts),
        ["cache"] = probe.CacheDirectory,
        ["cubins"] = probe.CubinDirectory,
        ["cuda_usable"] = probe.IsCudaUsable,
        ["why_not_cuda"] = probe.WhyNotCuda,
        ["cpu"] = new JsonObject { ["name"] = CpuDevice.Shared.Name, ["processors"] = Environment.ProcessorCount },
        ["gpus"] = new JsonArray([.. probe.Devices.Select(device => new JsonObject
        {
            ["id"] = $"cuda:{device.Ordinal}",
            ["name"] = device.Name,
            ["compute_capability"] = $"{device.Major}.{device.Minor}",
            ["processors"] = device.Processors,
            ["memory_bytes"] = device.MemoryBytes,
        })]),
    };
}
