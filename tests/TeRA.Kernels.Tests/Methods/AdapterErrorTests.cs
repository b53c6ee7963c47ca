using NUnit.Framework;
using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>What layers refuse about adapters, in which words, and that nothing was added before.</summary>
internal sealed class AdapterErrorTests
{
    private readonly NaiveDevice device = new();
    private AdapterLayer layer = null!;

    [SetUp]
    public void CreateLayer() => layer = new AdapterLayer(device, 6, 5, 4, new AdaptedLinearOptions());

    [TearDown]
    public void DisposeLayer() => layer.Dispose();

    [Test]
    public void Names_and_sizes()
    {
        LayerAdapter first = layer.Add("a", new LowRankUpdate(6, 5, 2));
        Refused(() => layer.Add("a", new LowRankUpdate(6, 5, 2)), "name", "has an adapter 'a' already");
        Refused(() => layer.Add(" ", new LowRankUpdate(6, 5, 2)), "name", "");
        Refused(() => layer.Add("b", new LowRankUpdate(5, 6, 2)), "update", "is 5×6, the weight 6×5");
        Assert.That(layer.Linear.Adapters, Is.EqualTo(new[] { first }));
    }

    [Test]
    public void Given_tensors()
    {
        var update = new VeraUpdate(6, 5, 2, FrozenBases.Given(DType.Float32, [2, 5], [6, 2]));
        using Tensor a = device.Allocate(DType.Float32, 2, 5), b = device.Allocate(DType.Float32, 6, 2), half = device.Allocate(DType.BFloat16, 2, 5);
        Refused(() => layer.Add("a", update), "given", "needs 2 stored tensors (vera_A, vera_B), found 0. Pass them in GivenTensors.Stored");
        Refused(() => layer.Add("a", update, new GivenTensors { Stored = [b, a] }), "given", "Expected vera_A of shape [2, 5]");
        Refused(() => layer.Add("a", update, new GivenTensors { Stored = [half, b] }), "given", "Expected float32, found bfloat16[2, 5]");
        Refused(() => layer.Add("a", new LowRankUpdate(6, 5, 2), new GivenTensors { Stored = [a] }), "given", "needs 0 stored tensors");
        using var other = new NaiveDevice();
        using Tensor elsewhere = other.Allocate(DType.Float32, 2, 5);
        Refused(() => layer.Add("a", update, new GivenTensors { Stored = [elsewhere, b] }), "given", "(this very device object)");
        Refused(() => _ = FrozenBases.Given(half, b), "b", "Expected the dtype of A, bfloat16");
        Assert.That(layer.Linear.Adapters, Is.Empty);
        Assert.That(() => layer.Add("a", update, new GivenTensors { Stored = [a, b] }), Throws.Nothing);
    }

    [Test]
    public void Adapters_of_other_layers_and_other_updates()
    {
        using var other = new AdapterLayer(device, 6, 5, 4, new AdaptedLinearOptions());
        LayerAdapter lora = layer.Add("lora", new LowRankUpdate(6, 5, 2)), foreign = other.Add("foreign", new LowRankUpdate(6, 5, 3));
        Refused(() => layer.Linear.Remove(foreign), "adapter", "has no adapter 'foreign'; it has lora");
        Refused(() => layer.Linear.EnableOnly(foreign), "adapter", "has no adapter 'foreign'");
        Refused(() => lora.CopyFrom(foreign), "other", "'foreign' describes another update than 'lora'");
        Refused(() => lora.CopyFrom(layer.Add("alpha", new LowRankUpdate(6, 5, 2, alpha: 7))), "other", "describes another update");
        LayerAdapter seven = layer.Add("seed 7", new TeraUpdate([6], [2], [5], [2], seed: 7));
        Refused(() => seven.CopyFrom(layer.Add("seed 8", new TeraUpdate([6], [2], [5], [2], seed: 8))), "other", "describes another update");
        Assert.That(() => lora.CopyFrom(other.Add("same", new LowRankUpdate(6, 5, 2))), Throws.Nothing);
        Assert.That(() => lora.Scale = double.NaN, Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("finite"));
    }

    [Test]
    public void No_more_than_64()
    {
        for (int i = 0; i < 64; i++)
        {
            layer.Add($"{i}", new LowRankUpdate(6, 5, 1));
        }

        Assert.That(() => layer.Add("65th", new LowRankUpdate(6, 5, 1)), Throws.InvalidOperationException.With.Message.Contains("at most 64 adapters"));
        layer.Linear.Remove(layer.Linear.Adapters[^1]);
        Assert.That(() => layer.Add("65th", new LowRankUpdate(6, 5, 1)), Throws.Nothing);
        Assert.That(() => layer.Forward(), Throws.Nothing);
    }

    [Test]
    public void After_disposal()
    {
        LayerAdapter lora = layer.Add("lora", new LowRankUpdate(6, 5, 2));
        layer.Linear.Dispose();
        Assert.That(() => layer.Add("more", new LowRankUpdate(6, 5, 2)), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => layer.Linear.Remove(lora), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => lora.Parameters[0].Value.Address, Throws.TypeOf<ObjectDisposedException>());
    }

    private static void Refused(Action call, string argument, string words)
    {
        ArgumentException refusal = Assert.Catch<ArgumentException>(() => call())!;
        Assert.That(refusal.Message, Does.Contain(words));
        Assert.That(refusal.ParamName, Is.EqualTo(argument));
    }
}
