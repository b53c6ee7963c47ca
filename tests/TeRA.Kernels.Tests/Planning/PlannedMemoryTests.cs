using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>The memory that a plan states is the memory that a step allocates beside the caller's tensors, to the byte.</summary>
internal sealed class PlannedMemoryTests
{
    private static readonly DeviceTraits SmallHopper = DeviceTraits.H100 with { SingleOperationsPerSecond = 1e9, LaunchSeconds = 0 };

    [Test]
    public void A_step_allocates_what_the_plan_states(
        [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath backward, [Values] WeightPolicy policy, [Values] ContractionPolicy contractions, [Values] bool hopper)
    {
        foreach (WeightUpdate update in new WeightUpdate[] { new TeraUpdate([2, 128], [8, 16], [2, 128], [4, 16]), new LowRankUpdate(256, 256, 64, alpha: 8), new LotrUpdate(256, 256, 64, LotrSides.Trained), new VeraUpdate(256, 256, 64) })
        {
            using var cpu = new CpuDevice(threads: 1);
            using var device = new Counting(hopper ? new PlanningFor(cpu, SmallHopper) : cpu);
            LayerData data = LayerData.Normal(update, 2048, DType.BFloat16, bias: false);
            using Tensor weight = device.Allocate(DType.BFloat16, 256, 256), x = device.Allocate(DType.BFloat16, 2048, 256), y = device.Allocate(DType.BFloat16, 2048, 256);
            using Tensor dy = device.Allocate(DType.BFloat16, 2048, 256), dx = device.Allocate(DType.BFloat16, 2048, 256);
            var options = new AdaptedLinearOptions { Path = path, BackwardPath = backward, WeightPolicy = policy, Contractions = contractions };
            using var layer = new AdaptedLinear(device, weight, null, update, options);
            using var context = new LayerContext();
            LayerRunner.Load(layer, data);
            LayerPlan plan = layer.Plan(2048);
            long before = device.Bytes;
            layer.Forward(x, y, context);
            layer.Backward(context, x, dy, dx);
            layer.Forward(x, y, context);
            layer.Backward(context, x, dy, dx);
            Assert.That(device.Bytes - before, Is.EqualTo(plan.ScratchBytes + plan.KeptBytes), $"{update.Method} {path} {policy}");
            Assert.That(plan.ScratchBytes + plan.KeptBytes, Is.Positive);
        }
    }

    private sealed class Counting(Device inner) : DeviceDecorator(inner)
    {
        public long Bytes { get; private set; }

        internal override SafeHandle AllocateMemory(long bytes)
        {
            Bytes += bytes;
            return base.AllocateMemory(bytes);
        }
    }
}
