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
