using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Tests of the kernels for compute capability 9.0; ignored, with the reason, elsewhere.</summary>
[Category("Gpu")]
internal abstract class HopperFixture
{
    /// <summary>The device: the one that all GPU tests share, unless a fixture has its own.</summary>
    protected virtual CudaDevice Gpu => DeviceUnderTest.Cuda;

    [OneTimeSetUp]
    public void RequireHopper()
    {
        if (Gpu.ComputeCapability != (9, 0))
        {
            Assert.Ignore($"{Gpu} is compute capability {Gpu.ComputeCapability.Major}.{Gpu.ComputeCapability.Minor}; these kernels are for 9.0.");
        }
    }

    /// <summary>Runs a step often, with another stream busy, and compares the output's bits each time.</summary>
    protected void AssertRepeats(StepRunner run, Step step, Operand output, int repeats)
    {
        run.Run(step);
        byte[] first = run.ReadBytes(output.Slot);
        CompiledStep compiled = Gpu.Compile(step);
        using Tensor workspace = Gpu.Allocate(DType.BFloat16, (compiled.WorkspaceBytes / 2) + 1), busy = Gpu.Allocate(DType.BFloat16, 1 << 24);
        using CudaStream other = Gpu.CreateStream();
        nint[] addresses = [workspace.Address, .. Enumerable.Range(1, run.Slots).Select(run.AddressOf)];
        for (int i = 0; i < repeats; i++)
        {
            busy.Clear(other);
            compiled.Run(addresses, default);
            Check.That(Comparer.SameBits("output", run.ReadBytes(output.Slot), first), $"run {i} of {run.Description}");
        }
    }
}
