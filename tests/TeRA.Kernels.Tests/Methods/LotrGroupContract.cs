using NUnit.Framework;
using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>Layers that share LoTR's L and R: their gradients are the sums over the layers, and one optimiser updates them once.</summary>
internal abstract class LotrGroupContract
{
    private static readonly LotrUpdate Update = new(8, 6, 3, LotrSides.Trained, seed: 5);

    protected abstract Device Device { get; }

    [Test]
    public void Group_gradients_are_the_sums_over_the_layers_in_the_same_bits_every_time()
    {
        using var group = new LotrGroup("test", Device, DType.Float32, Update);
        using var first = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions());
        using var second = new AdapterLayer(Device, 8, 6, 7, new AdaptedLinearOptions());
        AdapterLayer[] layers = [first, second];
        double[][] sums = [new double[8 * 3], new double[3 * 6]];
        for (int i = 0; i < layers.Length; i++)
        {
            LayerAdapter alone = layers[i].Add("alone", Update), shared = layers[i].Add("shared", Update, group.Given);
            double[] core = SeededValues.AwayFromZero(9, (ulong)i, DType.Float32);
            LayerFixture.Write(alone.Parameters[0].Value, core);
            LayerFixture.Write(shared.Parameters[0].Value, core);
            layers[i].Linear.EnableOnly(alone);
            double[] y = layers[i].Forward();
            layers[i].Backward();
            layers[i].Linear.EnableOnly(shared);
            Assert.That(layers[i].Forward(), Is.EqualTo(y), "both start from the same L and R");
            for (int side = 0; side < 2; side++)
            {
                sums[side] = [.. sums[side].Zip(LayerFixture.Read(alone.Parameters[1 + side].Gradient), (a, b) => a + b)];
            }
        }

        double[][]? before = null;
        for (int repeat = 0; repeat < 3; repeat++)
        {
            first.Linear.ZeroGradients();
            second.Linear.ZeroGradients();
            first.Backward();
            second.Backward();
            double[][] gradients = [.. group.Parameters.Select(parameter => LayerFixture.Read(parameter.Gradient))];
            Assert.That(gradients, Is.EqualTo(before ?? gradients));
            before = gradients;
        }

        for (int side = 0; side < 2; side++)
        {
            Check.That(Comparer.Within(group.Parameters[side].Name, before![side], sums[side], 1e-5 * (1 + sums[side].Max(Math.Abs))));
        }
    }

    [Test]
    public void An_optimiser_updates_shared_parameters_once()
    {
        using var group = new LotrGroup("test", Device, DType.Float32, Update);
        using var first = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions());
        using var second = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions());
        first.Add("lotr", Update, group.Given);
        second.Add("lotr", Update, group.Given);
        using var optimizer = new Sgd(first.Linear.Parameters.Concat(second.Linear.Parameters), 1);
        Assert.That(optimizer.Parameters, Has.Count.EqualTo(4), "two cores, L and R");
        Assert.That(() => new Sgd(first.Linear.Parameters.Concat(first.Linear.Parameters), 1), Throws.ArgumentException, "a layer's own still may not be listed twice");
    }

    [Test]
    public void The_group_outlives_its_layers()
    {
        using var group = new LotrGroup("test", Device, DType.Float32, Update);
        using (var layer = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions()))
        {
            layer.Add("lotr", Update, group.Given);
        }

        Assert.That(LayerFixture.Read(group.Parameters[0].Value), Is.Not.All.Zero);
    }

    [Test]
    public void What_does_not_fit_is_refused_in_words()
    {
        Device device = Device; // ignores the test where there is no GPU, which an assertion would take for a wrong exception
        Refused(() => _ = new LotrGroup("test", device, DType.Float32, new LotrUpdate(8, 6, 3)), "they are regenerated from the seed and need no group");
        Refused(() => _ = new LotrGroup(" ", device, DType.Float32, Update), "");
        using var group = new LotrGroup("test", device, DType.Float32, Update);
        using var layer = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions());
        Refused(() => layer.Add("a", new LotrUpdate(8, 6, 2, LotrSides.Trained), group.Given), "Expected a group's lotr_L of shape [8, 2]");
        Refused(() => layer.Add("b", new LotrUpdate(8, 6, 3), group.Given), "shares 0 trained tensors with its group, found 2 parameters");
        Refused(() => layer.Add("c", Update, new GivenTensors { Shared = [group.Parameters[0]] }), "shares 2 trained tensors with its group, found 1 parameters");
        LayerAdapter own = layer.Add("own", Update);
        Refused(() => layer.Add("d", Update, new GivenTensors { Shared = [own.Parameters[1], own.Parameters[2]] }), "Expected a group's lotr_L");
        using var wide = new LotrGroup("wide", Device, DType.Float32, Update);
        using var half = new AdapterLayer(Device, 8, 6, 5, new AdaptedLinearOptions(), DType.BFloat16);
        Assert.That(() => half.Add("e", Update, wide.Given), Throws.Nothing, "16-bit layers train in float32");
        Assert.That(layer.Linear.Adapters, Has.Count.EqualTo(1), "nothing refused was added");
    }

    private static void Refused(Action call, string words) => Assert.That(() => call(), Throws.InstanceOf<ArgumentException>().With.Message.Contains(words));
}

/// <summary>By the naive interpreter.</summary>
internal sealed class NaiveLotrGroupTests : LotrGroupContract
{
    protected override Device Device { get; } = new NaiveDevice();
}

/// <summary>On the CPU.</summary>
internal sealed class CpuLotrGroupTests : LotrGroupContract
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU.</summary>
[Category("Gpu")]
internal sealed class CudaLotrGroupTests : LotrGroupContract
{
    protected override Device Device => DeviceUnderTest.Cuda;
}
