using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>Optimisers over the parameters of several layers: known steps, settings in device memory.</summary>
internal sealed class OptimizerTests
{
    private static readonly NaiveDevice Device = new();
    private Tensor weight = null!;
    private AdaptedLinear first = null!;
    private AdaptedLinear second = null!;

    [SetUp]
    public void CreateLayers()
    {
        weight = Device.From<float>([1, 2, 3, 4], 2, 2);
        first = new AdaptedLinear(Device, weight, null, new LowRankUpdate(2, 2, 1));
        second = new AdaptedLinear(Device, weight, null, new FullUpdate(2, 2), new AdaptedLinearOptions { TrainBias = true });
        foreach (Parameter parameter in All)
        {
            LayerFixture.Write(parameter.Value, [.. Enumerable.Repeat(2.0, (int)parameter.Value.ElementCount)]);
            LayerFixture.Write(parameter.Gradient, [.. Enumerable.Repeat(0.5, (int)parameter.Value.ElementCount)]);
        }
    }

    [TearDown]
    public void DisposeLayers()
    {
        first.Dispose();
        second.Dispose();
        weight.Dispose();
    }

    private IEnumerable<Parameter> All => first.Parameters.Concat(second.Parameters);

    [Test]
    public void Sgd_with_momentum_and_decay_by_hand()
    {
        using var sgd = new Sgd(All, learningRate: 0.5f, momentum: 0.5f, weightDecay: 0.25f);
        sgd.Step();
        Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.EqualTo(1.5), "v = 0.5 + 0.25·2 = 1, w = 2 − 0.5·1");
        sgd.Step();
        Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.EqualTo(0.8125), "v = 0.5·1 + 0.5 + 0.25·1.5 = 1.375, w = 1.5 − 0.5·1.375");
    }

    [Test]
    public void The_first_step_of_AdamW_is_the_learning_rate_with_the_gradients_sign()
    {
        using var adamW = new AdamW(All, learningRate: 0.25f, weightDecay: 0);
        adamW.Step();
        Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.EqualTo(1.75).Within(1e-6));
    }

    [Test]
    public void Settings_are_read_from_the_device_at_each_step()
    {
        using var sgd = new Sgd(All, learningRate: 0);
        sgd.Step();
        Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.EqualTo(2));
        sgd.LearningRate = 1;
        sgd.GradientScale = 4;
        sgd.ClearsGradients = true;
        sgd.Step();
        Assert.Multiple(() =>
        {
            Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.Zero, "2 − 1·(4·0.5)");
            Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Gradient)), Is.All.Zero);
            Assert.That(sgd.StepsDone, Is.EqualTo(2));
            Assert.That((sgd.LearningRate, sgd.GradientScale, sgd.ClearsGradients), Is.EqualTo((1f, 4f, true)));
        });
        sgd.StepsDone = 41;
        sgd.Step();
        Assert.That(sgd.StepsDone, Is.EqualTo(42));
    }

    [Test]
    public void Zeroing_gradients_touches_no_value()
    {
        using var sgd = new Sgd(All, learningRate: 1);
        sgd.ZeroGradients();
        sgd.Step();
        Assert.That(All.SelectMany(parameter => LayerFixture.Read(parameter.Value)), Is.All.EqualTo(2));
    }
}
