using NUnit.Framework;

namespace TeRA.Kernels.Tests.Support;

/// <summary>The devices that fixtures run on. A fixture is written once against <see cref="Device"/>; its GPU subclass carries the category.</summary>
internal static class DeviceUnderTest
{
    private static readonly Lazy<(CudaDevice? Device, string Reason)> SharedCuda = new(OpenCuda);

    /// <summary>The CPU device.</summary>
    public static Device Cpu => CpuDevice.Shared;

    /// <summary>The first CUDA device; the test is ignored, with the reason, where there is none.</summary>
    public static CudaDevice Cuda
    {
        get
        {
            (CudaDevice? device, string reason) = SharedCuda.Value;
            if (device is null)
            {
                Assert.Ignore($"No CUDA device: {reason}");
            }

            return device!;
        }
    }

    private static (CudaDevice? Device, string Reason) OpenCuda()
    {
        try
        {
            return (CudaDevice.Open(), "");
        }
        catch (DeviceUnavailableException unavailable)
        {
            return (null, unavailable.Message);
        }
    }
}
