using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>
/// Weights and activations of a problem. A single layer has several sets, each with its own W0, X and dY, past three times the L2 cache; its Y and dX are
/// shared. Layers in turn pass their activations on, and are longer than the cache by themselves.
/// </summary>
internal sealed class LayerInputs : IDisposable
{
    private const DType Type = DType.BFloat16;

    private readonly LayerShape shape;
    private readonly Tensor[] inputs;
    private readonly Tensor[] gradients;
    private readonly Tensor sharedOutput;
    private readonly Tensor sharedInputGradient;

    /// <summary>Allocates them.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">The problem.</param>
    /// <param name="onlyOneSet">For a look at memory: one set, left uninitialised.</param>
    public LayerInputs(CudaDevice device, LayerShape shape, bool onlyOneSet = false)
    {
        this.shape = shape;
        (long tokens, long n, long k) = (shape.Tokens, shape.OutFeatures, shape.InFeatures);
        Sets = onlyOneSet || shape.Layers > 1 ? 1 : DeviceData.Sets(Type.Size() * ((tokens * (n + k)) + (n * k)));
        int activations = shape.Layers > 1 ? shape.Layers + 1 : Sets;
        Weights = Several(Sets * shape.Layers, 1 / Math.Sqrt(k), n, k);
        inputs = Several(activations, 1, tokens, k);
        gradients = Several(activations, 1, tokens, n);
        sharedOutput = device.Allocate(Type, tokens, n);
        sharedInputGradient = device.Allocate(Type, tokens, k);

        Tensor[] Several(int count, double scale, long rows, long columns) =>
            [.. Enumerable.Range(0, count).Select(_ => onlyOneSet ? device.Allocate(Type, rows, columns) : DeviceData.Normal(device, Type, scale, rows, columns))];
    }

    /// <summary>Sets of inputs.</summary>
    public int Sets { get; }

    /// <summary>W0 of every set and layer: layer l of set s is number s·layers + l.</summary>
    public Tensor[] Weights { get; }

    /// <summary>X of a layer.</summary>
    public Tensor Input(int layer) => inputs[layer];

    /// <summary>Y of a layer: the next one's X.</summary>
    public Tensor Output(int layer) => shape.Layers > 1 ? inputs[layer + 1] : sharedOutput;

    /// <summary>dY of a layer.</summary>
    public Tensor OutputGradient(int layer) => shape.Layers > 1 ? gradients[layer + 1] : gradients[layer];

    /// <summary>dX of a layer: the dY of the one before.</summary>
    public Tensor InputGradient(int layer) => shape.Layers > 1 ? gradients[layer] : sharedInputGradient;

    /// <summary>The layers of a set, first to last.</summary>
    public IEnumerable<int> Layers(int set) => Enumerable.Range(set * shape.Layers, shape.Layers);

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach([.. Weights, .. inputs, .. gradients, sharedOutput, sharedInputGradient], tensor => tensor.Dispose());
}
