using System.Globalization;

namespace TeRA.Kernels;

/// <summary>From a text such as <c>cuda:1</c> to a device.</summary>
internal static class DeviceFactory
{
    private const string CudaPrefix = "cuda:";

    /// <inheritdoc cref="Device.Open"/>
    public static Device Open(string spec, CudaOptions options)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Trim().ToLowerInvariant() switch
        {
            "auto" => OpenBest(options),
            "cpu" => CpuDevice.Shared,
            "cuda" => CudaDevice.Open(0, options),
            string text when text.StartsWith(CudaPrefix, StringComparison.Ordinal)
                && int.TryParse(text.AsSpan(CudaPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal)
                => CudaDevice.Open(ordinal, options),
            _ => throw new ArgumentException($"\"{spec}\" names no device; expected auto, cpu, cuda or cuda:n.", nameof(spec)),
        };
    }

    private static Device OpenBest(CudaOptions options)
    {
        DeviceProbe probe = DeviceProbe.Run(options);
        return probe.IsCudaUsable ? CudaDevice.Open(0, options) : CpuDevice.Shared;
    }
}
