using System.Globalization;

namespace TeRA.Kernels.Cli.Commands;

/// <summary>Opens the device that <c>--device</c> names, and says why it is that one.</summary>
internal static class DeviceChoice
{
    public static Device Open(string name, out string reason)
    {
        switch (name.ToLowerInvariant())
        {
            case "cpu":
                reason = "asked for";
                return CpuDevice.Shared;
            case "auto":
                DeviceProbe probe = DeviceProbe.Run();
                reason = probe.WhyNotCuda is { } why ? $"the CPU, since there is no usable GPU: {FirstSentence(why)} (tera devices tells more)" : "the best there is";
                return probe.IsCudaUsable ? CudaDevice.Open() : CpuDevice.Shared;
            case "cuda":
                reason = "asked for";
                return CudaDevice.Open();
            case string text when text.StartsWith("cuda:", StringComparison.Ordinal)
                && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal):
                reason = "asked for";
                return CudaDevice.Open(ordinal);
            default:
                throw new UsageException($"--device: expected auto, cpu, cuda or cuda:N, found '{name}'.");
        }
    }

    // The paths tried are for `tera devices`.
    private static string FirstSentence(string text) => text.Split('.', '\n')[0].Trim();
}
