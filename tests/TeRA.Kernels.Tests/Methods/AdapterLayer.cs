using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>A layer without adapters, with data, to which tests add some. What it made is disposed with it.</summary>
internal sealed class AdapterLayer : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly Device device;
    private readonly DType dtype;

    public AdapterLayer(Device device, long n, long k, long tokens, AdaptedLinearOptions options, DType dtype = DType.Float32)
    {
        this.device = device;
        this.dtype = dtype;
        Weight = Normal(1, n, k);
        Bias = Normal(2, n);
        X = Normal(3, tokens, k);
        OutputGradient = Normal(4, tokens, n);
        Y = Own(Zeros(tokens, n));
        InputGradient = Own(Zeros(tokens, k));
        Context = Own(new LayerContext());
        Linear = Own(new AdaptedLinear(device, Weight, Bias, null, options));
    }

    public AdaptedLinear Linear { get; }

    public Tensor Weight { get; }

    public Tensor Bias { get; }

    public Tensor X { get; }

    public Tensor Y { get; }

    public Tensor OutputGradient { get; }

    public Tensor InputGradient { get; }

    private LayerContext Context { get; }

    /// <summary>One of every method, with values away from their start.</summary>
    public LayerAdapter[] AddAll(ulong seed = 10)
    {
        (long n, long k) = (Linear.OutFeatures, Linear.InFeatures);
        long shorter = Math.Min(n, k);
        Tensor a = Normal(5, 2, 1, shorter + 1), b = Normal(6, Math.Max(n, k) + 1, (shorter + 1) / 2, 2);
        LayerAdapter[] adapters =
        [
            Add("tera", TeraUpdate.Propose(n, k, 0.5)),
            Add("lora", new LowRankUpdate(n, k, 2, alpha: 3)),
            Add("vera", new VeraUpdate(n, k, 4)),
            Add("lotr", new LotrUpdate(n, k, 3, LotrSides.Trained, seed: 2)),
            Add("randlora", new RandLoraUpdate(n, k, 3, RandLoraPairing.Paper, alpha: 3)),
            Add("peft", new RandLoraUpdate(n, k, 2, RandLoraPairing.Peft, FrozenBases.Given(a, b), alpha: 2), new GivenTensors { Stored = [a, b] }),
            Add("full", new FullUpdate(n, k)),
            Add("tera again", TeraUpdate.Propose(n, k, 0.25, seed: 3, Distribution.Uniform)),
        ];
        foreach (LayerAdapter adapter in adapters)
        {
            Randomise(adapter, seed);
            seed += 10;
        }

        return adapters;
    }

    public LayerAdapter Add(string name, WeightUpdate update, GivenTensors? given = null) => Linear.Add(name, update, given);

    public static void Randomise(LayerAdapter adapter, ulong seed)
    {
        foreach (Parameter parameter in adapter.Parameters)
        {
            LayerFixture.Write(parameter.Value, SeededValues.AwayFromZero(parameter.Value.ElementCount, seed++, parameter.Value.DType));
        }
    }

    public void EnableAll()
    {
        foreach (LayerAdapter adapter in Linear.Adapters)
        {
            adapter.Enabled = true;
        }
    }

    public double[] Forward()
    {
        Linear.Forward(X, Y, Context);
        device.Synchronize();
        return LayerFixture.Read(Y);
    }

    public double[] Backward()
    {
        Linear.Backward(Context, X, OutputGradient, InputGradient);
        device.Synchronize();
        return LayerFixture.Read(InputGradient);
    }

    /// <summary>Whoever asks disposes it.</summary>
    public Tensor Zeros(params long[] shape)
    {
        Tensor tensor = device.Allocate(dtype, shape);
        tensor.Clear();
        return tensor;
    }

    public void Dispose()
    {
        owned.Reverse();
        owned.ForEach(item => item.Dispose());
    }

    private Tensor Normal(ulong seed, params long[] shape)
    {
        Tensor tensor = Own(device.Allocate(dtype, shape));
        LayerFixture.Write(tensor, SeededValues.Normal(tensor.ElementCount, seed, dtype));
        return tensor;
    }

    private T Own<T>(T item) where T : IDisposable
    {
        owned.Add(item);
        return item;
    }
}
