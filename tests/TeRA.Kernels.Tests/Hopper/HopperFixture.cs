using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Tests of the kernels for compute capability 9.0; ignored, with the reason, elsewhere.</summary>
[Category("Gpu")]
internal abstract class HopperFixture
{
    /// <summary>The device that all GPU tests share.</summary>
    protected static CudaDevice Gpu => DeviceUnderTest.Cuda;

    [OneTimeSetUp]
    public void RequireHopper()
    {
        if (Gpu.ComputeCapability != (9, 0))
        {
            Assert.Ignore($"{Gpu} is compute capability {Gpu.ComputeCapability.Major}.{Gpu.ComputeCapability.Minor}; these kernels are for 9.0.");
        }
    }

    /// <summary>Runs a step a thousand times, with another stream busy, and compares the output's bits each time.</summary>
    protected static void AssertRepeats(StepRunner run, Step step, Operand output) => Repeats.Assert(Gpu, run, step, output);
}
