using NUnit.Framework;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>A step takes the scratch that its plan states, all of it at its first pass: an arena that grew later would keep the outgrown block too.</summary>
public class ScratchReservationTests
{
    private const long Tokens = 48;

    [Test]
    public void The_first_pass_reserves_what_the_plan_states()
    {
        WeightUpdate[] updates = [TeraUpdate.Propose(64, 32), new LowRankUpdate(64, 32, 8), new LowRankUpdate(32, 64, 8), new VeraUpdate(64, 32, 16)];
        int growing = 0;
        foreach (WeightUpdate update in updates)
        {
            foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
            {
                growing += Check(update, path) ? 1 : 0;
            }
        }

        Assert.That(growing, Is.GreaterThan(0), "a backward must need more than its forward, or nothing is tested");
    }

    [Test]
    public void An_output_at_an_odd_address_reserves_what_the_plan_states_for_it()
    {
        // 64 tokens of a 64×64 layer: Y and dX have just the room that T takes.
        using var device = new CpuDevice(1);
        using Tensor weight = Zeros(device, 64, 64), x = Zeros(device, 64, 64), y = Zeros(device, 65, 64), dx = Zeros(device, 65, 64);
        using var layer = new AdaptedLinear(device, weight, null, new TeraUpdate([8, 8], [8, 8], [8, 8], [8, 8]), new AdaptedLinearOptions { Path = ExecutionPath.Merged });
        using var context = new LayerContext();
        LayerPlan plan = layer.Plan(64);
        ScratchArena arena = device.Scratch.Of(default);
        layer.Forward(x, y.Slice(0, 64, 64), context);
        layer.Backward(context, x, x, dx.Slice(64, 64, 64));
        Assert.That(arena.Capacity, Is.EqualTo(plan.ScratchBytes), "one row further is a multiple of 256 bytes too");
        layer.Forward(x, y.Slice(1, 64, 64), context);
        Assert.That(arena.Capacity, Is.EqualTo(plan.UnalignedScratchBytes).And.GreaterThan(plan.ScratchBytes));
        layer.Backward(context, x, x, dx.Slice(63, 64, 64));
        Assert.That(arena.Capacity, Is.EqualTo(plan.UnalignedScratchBytes));
    }

    private static bool Check(WeightUpdate update, ExecutionPath path)
    {
        using var device = new CpuDevice(1);
        (long n, long k) = (update.OutFeatures, update.InFeatures);
        using Tensor weight = Zeros(device, n, k), x = Zeros(device, Tokens, k), y = Zeros(device, Tokens, n), dx = Zeros(device, Tokens, k);
        using var layer = new AdaptedLinear(device, weight, null, update, new AdaptedLinearOptions { Path = path });
        using var context = new LayerContext();
        LayerPlan plan = layer.Plan(Tokens);

        layer.Forward(x, y, context);
        Assert.That(device.Scratch.Of(default).Capacity, Is.EqualTo(plan.ScratchBytes), $"{update.Method} {path}, after forward");
        layer.Backward(context, x, y, dx);
        Assert.That(device.Scratch.Of(default).Capacity, Is.EqualTo(plan.ScratchBytes), $"{update.Method} {path}, after backward");
        return plan.Backward.ScratchBytes > plan.Forward.ScratchBytes;
    }

    private static Tensor Zeros(Device device, long rows, long columns)
    {
        Tensor tensor = device.Allocate(DType.Float32, rows, columns);
        tensor.Clear();
        return tensor;
    }
}
