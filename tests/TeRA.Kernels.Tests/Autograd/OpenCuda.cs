using NUnit.Framework;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>The CUDA device of a fixture; where there is none the fixture is ignored, with the reason.</summary>
internal static class OpenCuda
{
    public static CudaDevice OrIgnore()
    {
        try
        {
            return CudaDevice.Open();
        }
        catch (DeviceUnavailableException reason)
        {
            Assert.Ignore($"No CUDA device: {reason.Message}");
            throw;
        }
    }
}
