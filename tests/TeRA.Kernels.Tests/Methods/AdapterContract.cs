using NUnit.Framework;
using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>Several adapters on one layer: they add up, and come and go without a trace.</summary>
internal abstract class AdapterContract
{
    private const long N = 12, K = 9, Tokens = 6;

    protected abstract Device Device { get; }

    [Test]
    public void Adapters_of_every_method_add_up([Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values] bool keep)
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions { Path = path, TrainBias = true, Contractions = keep ? ContractionPolicy.Keep : ContractionPolicy.Recompute, WeightPolicy = keep ? WeightPolicy.Keep : WeightPolicy.Rebuild });
        double[] plain = layer.Forward(), expected = [.. plain], expectedDx = layer.Backward();
        double[] frozenDx = [.. expectedDx];
        var gradients = new List<double[]>();
        foreach (LayerAdapter adapter in layer.AddAll())
        {
            layer.Linear.EnableOnly(adapter);
            layer.Linear.ZeroGradients();
            Add(expected, layer.Forward(), plain);
            Add(expectedDx, layer.Backward(), frozenDx);
            gradients.AddRange(adapter.Parameters.Select(parameter => LayerFixture.Read(parameter.Gradient)));
        }

        layer.EnableAll();
        layer.Linear.ZeroGradients();
        Close("y", layer.Forward(), expected);
        Close("dx", layer.Backward(), expectedDx);
        double[][] together = [.. layer.Linear.Adapters.SelectMany(adapter => adapter.Parameters).Select(parameter => LayerFixture.Read(parameter.Gradient))];
        Assert.That(together, Has.Length.EqualTo(gradients.Count));
        for (int i = 0; i < together.Length; i++)
        {
            Close($"gradient {i}", together[i], gradients[i]);
        }

        Assert.That(LayerFixture.Read(layer.Linear.Parameters[^1].Gradient), Is.Not.All.Zero, "the bias trains beside them");
    }

    [Test]
    public void Merging_several_equals_their_forward()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions { Path = ExecutionPath.Factored });
        layer.AddAll();
        using Tensor merged = layer.Zeros(N, K), delta = layer.Zeros(N, K), y = layer.Zeros(Tokens, N);
        layer.Linear.Merge(merged);
        layer.Linear.MaterializeDelta(delta);
        Close("W0 + Σ α·ΔW", LayerFixture.Read(merged), [.. LayerFixture.Read(layer.Weight).Zip(LayerFixture.Read(delta), (w, change) => w + change)]);
        using var plain = new AdaptedLinear(Device, merged, layer.Bias, null);
        plain.Forward(layer.X, y);
        Close("y", layer.Forward(), LayerFixture.Read(y));
    }

    [Test]
    public void Disabled_adapters_leave_the_base_bit_for_bit([Values(DType.Float32, DType.BFloat16)] DType dtype, [Values(ExecutionPath.Auto, ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path)
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions { Path = path }, dtype);
        double[] y = layer.Forward(), dx = layer.Backward();
        layer.AddAll();
        Assert.That(layer.Forward(), Is.Not.EqualTo(y), "the adapters do something");
        layer.Linear.EnableOnly(null);
        Assert.That(layer.Forward(), Is.EqualTo(y));
        Assert.That(layer.Backward(), Is.EqualTo(dx));
        Assert.That(layer.Linear.Parameters.SelectMany(parameter => LayerFixture.Read(parameter.Gradient)), Is.All.Zero, "nothing is added to what is disabled");
        using Tensor merged = layer.Zeros(N, K), delta = layer.Zeros(N, K);
        layer.Linear.Merge(merged);
        layer.Linear.MaterializeDelta(delta);
        Assert.That(LayerFixture.Read(merged), Is.EqualTo(LayerFixture.Read(layer.Weight)));
        Assert.That(LayerFixture.Read(delta), Is.All.Zero);
        layer.EnableAll();
        foreach (LayerAdapter adapter in layer.Linear.Adapters.ToArray())
        {
            layer.Linear.Remove(adapter);
        }

        Assert.That(layer.Forward(), Is.EqualTo(y));
        Assert.That(layer.Linear.Parameters, Is.Empty);
    }

    [Test]
    public void Enabling_again_gives_the_same_bits()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
        LayerAdapter[] adapters = layer.AddAll();
        double[] all = layer.Forward();
        adapters[1].Enabled = false;
        double[] without = layer.Forward();
        Assert.That(without, Is.Not.EqualTo(all));
        adapters[1].Enabled = true;
        Assert.That(layer.Forward(), Is.EqualTo(all));
        layer.Linear.Remove(adapters[1]);
        Assert.That(layer.Forward(), Is.EqualTo(without));
    }

    [Test]
    public void A_scale_multiplies_an_adapters_share()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
        double[] plain = layer.Forward();
        foreach (LayerAdapter adapter in layer.AddAll())
        {
            layer.Linear.EnableOnly(adapter);
            double[] once = layer.Forward();
            adapter.Scale = -3;
            Close(adapter.Name, layer.Forward(), [.. plain.Zip(once, (w, y) => w - (3 * (y - w)))]);
            adapter.Scale = 1;
            Assert.That(layer.Forward(), Is.EqualTo(once));
        }
    }

    [Test]
    public void Backward_uses_the_adapters_of_its_forward()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
        LayerAdapter[] adapters = layer.AddAll();
        layer.Forward();
        double[] dx = layer.Backward();
        layer.Forward();
        adapters[0].Enabled = false;
        adapters[2].Scale = 5;
        Assert.That(layer.Backward(), Is.EqualTo(dx));
    }

    [Test]
    public void Copying_exchanges_adapters_at_the_same_addresses()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
        foreach (LayerAdapter adapter in layer.AddAll())
        {
            using var other = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
            LayerAdapter source = other.AddAll(seed: 99).Single(candidate => candidate.Name == adapter.Name);
            other.Linear.EnableOnly(source);
            layer.Linear.EnableOnly(adapter);
            double[] before = layer.Forward(), wanted = other.Forward();
            nint[] addresses = [.. adapter.Parameters.Select(parameter => parameter.Value.Address)];
            if (adapter.Update.Stored.IsEmpty)
            {
                adapter.CopyFrom(source);
                Assert.That(layer.Forward(), Is.EqualTo(wanted).And.Not.EqualTo(before), adapter.Name);
                Assert.That(adapter.Parameters.Select(parameter => parameter.Value.Address), Is.EqualTo(addresses));
            }
            else
            {
                Assert.That(() => adapter.CopyFrom(source), Throws.ArgumentException.With.Message.Contains("frozen tensors"), "the other layer was given its own");
            }
        }
    }

    [Test]
    public void Switching_on_one_layer_keeps_every_address_and_gives_the_other_adapters_bits(
        [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values(WeightPolicy.Rebuild, WeightPolicy.Keep)] WeightPolicy policy)
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions { Path = path, WeightPolicy = policy });
        foreach (LayerAdapter live in layer.AddAll())
        {
            // The same frozen tensors too, where the method is given some.
            LayerAdapter other = layer.Add("other", live.Update, new GivenTensors { Stored = live.Stored });
            AdapterLayer.Randomise(other, 77);
            (double[] Y, double[] Dx, double[][] Gradients) wanted = Step(layer, other), before = Step(layer, live);
            nint[] addresses = Addresses(live);
            live.CopyFrom(other);
            (double[] Y, double[] Dx, double[][] Gradients) after = Step(layer, live);
            Assert.That(before.Y, Is.Not.EqualTo(wanted.Y), live.Name);
            Assert.That(after.Y, Is.EqualTo(wanted.Y), live.Name);
            Assert.That(after.Dx, Is.EqualTo(wanted.Dx), live.Name);
            Assert.That(after.Gradients, Is.EqualTo(wanted.Gradients), live.Name);
            Assert.That(Addresses(live), Is.EqualTo(addresses), live.Name);
            layer.Linear.Remove(other);
        }

        static nint[] Addresses(LayerAdapter adapter) =>
            [.. adapter.Parameters.SelectMany(parameter => new[] { parameter.Value.Address, parameter.Gradient.Address }), .. adapter.Stored.Select(tensor => tensor.Address)];
    }

    [Test]
    public void A_tape_follows_adapters_that_come_and_go()
    {
        using var layer = new AdapterLayer(Device, N, K, Tokens, new AdaptedLinearOptions());
        using var tape = new Tape(Device);
        Tensor first = tape.Linear(layer.Linear, layer.X);
        Assert.That(() => tape.Backward(first, layer.OutputGradient), Throws.InvalidOperationException, "nothing trains yet");
        LayerAdapter adapter = layer.Add("lora", new LowRankUpdate(N, K, 2));
        tape.Reset();
        tape.Backward(tape.Linear(layer.Linear, layer.X), layer.OutputGradient);
        Assert.That(LayerFixture.Read(adapter.Parameters[1].Gradient), Is.Not.All.Zero);
    }

    private static (double[] Y, double[] Dx, double[][] Gradients) Step(AdapterLayer layer, LayerAdapter adapter)
    {
        layer.Linear.EnableOnly(adapter);
        layer.Linear.ZeroGradients();
        return (layer.Forward(), layer.Backward(), [.. adapter.Parameters.Select(parameter => LayerFixture.Read(parameter.Gradient))]);
    }

    private static void Add(double[] sum, double[] with, double[] without)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += with[i] - without[i];
        }
    }

    private static void Close(string name, double[] actual, double[] expected)
    {
        double size = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        Check.That(Comparer.Within(name, actual, expected, 3e-6 * (size + 1), zerosAreRight: true));
    }
}

/// <summary>By the naive interpreter.</summary>
internal sealed class NaiveAdapterTests : AdapterContract
{
    protected override Device Device { get; } = new NaiveDevice();
}

/// <summary>On the CPU.</summary>
internal sealed class CpuAdapterTests : AdapterContract
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU.</summary>
[Category("Gpu")]
internal sealed class CudaAdapterTests : AdapterContract
{
    protected override Device Device => DeviceUnderTest.Cuda;

    [Test]
    public void A_captured_graph_runs_the_adapter_that_was_copied_in([Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path)
    {
        var cuda = (CudaDevice)Device;
        using CudaStream stream = cuda.CreateStream();
        using var layer = new AdapterLayer(cuda, 12, 9, 6, new AdaptedLinearOptions { Path = path });
        LayerAdapter live = layer.Add("live", new RandLoraUpdate(12, 9, 3, RandLoraPairing.Paper)), other = layer.Add("other", live.Update);
        AdapterLayer.Randomise(other, 50);
        layer.Linear.EnableOnly(other);
        double[] wanted = layer.Forward();
        layer.Linear.EnableOnly(live);
        AdapterLayer.Randomise(live, 60);
        layer.Linear.Forward(layer.X, layer.Y, null, stream.Handle);
        live.CopyFrom(live, stream.Handle);
        stream.Synchronize();
        stream.BeginCapture();
        layer.Linear.Forward(layer.X, layer.Y, null, stream.Handle);
        using CudaGraph graph = stream.EndCapture();
        graph.Launch(stream.Handle);
        stream.Synchronize();
        Assert.That(LayerFixture.Read(layer.Y), Is.Not.EqualTo(wanted));
        live.CopyFrom(other, stream.Handle);
        graph.Launch(stream.Handle);
        stream.Synchronize();
        Assert.That(LayerFixture.Read(layer.Y), Is.EqualTo(wanted));
    }
}
