using NUnit.Framework;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>Steps after the first allocate nothing, managed or on the device.</summary>
internal sealed class AllocationTests
{
    private const int Steps = 100;

    [Test]
    public void A_training_step_allocates_nothing(
        [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values(DType.Float32, DType.BFloat16)] DType dtype, [Values(1, 2)] int threads)
    {
        using var device = new CpuDevice(threads);
        using var step = new TrainingStep(device, dtype, default, path);
        step.Run();
        step.Run();
        (nint address, long capacity) = (device.Scratch.Of(default).Address, device.Scratch.Of(default).Capacity);
        double[] before = step.Trained();
        long allocated = Allocated(step.Run);
        Assert.That(step.Trained(), Is.Not.EqualTo(before), "nothing was trained");
        Assert.That(allocated, Is.Zero, $"managed bytes of {Steps} steps");
        Assert.That((device.Scratch.Of(default).Address, device.Scratch.Of(default).Capacity), Is.EqualTo((address, capacity)));
    }

    [Test]
    public void Forward_and_backward_without_a_tape_allocate_nothing()
    {
        using var device = new CpuDevice(threads: 1);
        using var fixture = new LayerFixture(device, LayerCase.All().First(), DType.Float32, 5);
        void Step()
        {
            fixture.Layer.Forward(fixture.X, fixture.Y, fixture.Context);
            fixture.Layer.Backward(fixture.Context, fixture.X, fixture.OutputGradient, fixture.InputGradient);
            fixture.Layer.Backward(fixture.Context, fixture.X, fixture.OutputGradient, null);
            fixture.Layer.ZeroGradients();
        }

        Step();
        Assert.That(Allocated(Step), Is.Zero);
    }

    private static long Allocated(Action step)
    {
        step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Steps; i++)
        {
            step();
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
