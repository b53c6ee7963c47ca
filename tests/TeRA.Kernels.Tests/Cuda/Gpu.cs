using NUnit.Framework;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The GPU of the machine, for tests of category Gpu.</summary>
internal static class Gpu
{
    private static readonly Lazy<DeviceProbe> LazyProbe = new(() => DeviceProbe.Run());

    /// <summary>A device of the caller's own on the first GPU, or the test is skipped with the reason.</summary>
    public static CudaDevice Require()
    {
        if (LazyProbe.Value.WhyNotCuda is { } reason)
        {
            Assert.Ignore($"No usable GPU: {reason}");
        }

        return CudaDevice.Open();
    }
}
