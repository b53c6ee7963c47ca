using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>A two-layer network with its optimiser: one whole training step, as tests of allocation and capture need it.</summary>
internal sealed class TrainingStep : IDisposable
{
    private const int Tokens = 16, In = 12, Hidden = 8, Classes = 5;
    private readonly List<IDisposable> owned = [];
    private readonly StreamHandle stream;
    private readonly Labels labels;

    public TrainingStep(Device device, DType dtype, StreamHandle stream, ExecutionPath path)
    {
        this.stream = stream;
        var options = new AdaptedLinearOptions { Path = path, TrainBias = true };
        First = Own(new AdaptedLinear(device, Normal(device, dtype, 1, Hidden, In), null, TeraUpdate.Propose(Hidden, In, 0.5), options));
        Second = Own(new AdaptedLinear(device, Normal(device, dtype, 2, Classes, Hidden), null, new LowRankUpdate(Classes, Hidden, 3), options));
        X = Normal(device, dtype, 3, Tokens, In);
        labels = Own(new Labels(device, [.. Enumerable.Range(0, Tokens).Select(row => row % Classes)]));
        Tape = Own(new Tape(device, stream));
        Optimizer = Own(new AdamW(First.Parameters.Concat(Second.Parameters), 0.01f) { ClearsGradients = true });
        device.Synchronize();
    }

    public AdaptedLinear First { get; }

    public AdaptedLinear Second { get; }

    public Tensor X { get; }

    public Tape Tape { get; }

    public AdamW Optimizer { get; }

    public Tensor? Loss { get; private set; }

    /// <summary>Forward, backward, update.</summary>
    public void Run()
    {
        Tape.Reset();
        Tensor hidden = Tape.Gelu(Tape.Linear(First, X));
        Loss = Tape.SoftmaxCrossEntropy(Tape.Linear(Second, hidden), labels);
        Tape.Backward(Loss);
        Optimizer.Step(stream);
    }

    /// <summary>All trained numbers.</summary>
    public double[] Trained() => [.. Optimizer.Parameters.SelectMany(parameter => LayerFixture.Read(parameter.Value))];

    public void Dispose()
    {
        owned.Reverse();
        owned.ForEach(item => item.Dispose());
    }

    private Tensor Normal(Device device, DType dtype, ulong seed, params long[] shape)
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
