namespace TeRA.Kernels;

/// <summary>A frozen linear layer with a trained weight update: Y = X·W0ᵀ + b + α·X·ΔWᵀ.</summary>
public sealed class AdaptedLinear : IDisposable
{
    /// <summary>Adapts a layer.</summary>
    /// <param name="device">Where everything is.</param>
    /// <param name="weight">W0, [N, K]; read only, owned by the caller.</param>
    /// <param name="bias">b, [N], the weight's dtype; or null.</param>
    /// <param name="update">ΔW; null for a plain frozen layer.</param>
    /// <param name="options">Choices.</param>
    public AdaptedLinear(Device device, Tensor weight, Tensor? bias, WeightUpdate? update, AdaptedLinearOptions? options = null) => throw new NotImplementedException();

    /// <summary>Where the layer is.</summary>
    public Device Device => throw new NotImplementedException();

    /// <summary>W0.</summary>
    public Tensor Weight => throw new NotImplementedException();

    /// <summary>b as it was given.</summary>
    public Tensor? Bias => throw new NotImplementedException();

    /// <summary>ΔW as data.</summary>
    public WeightUpdate? Update => throw new NotImplementedException();

    /// <summary>N.</summary>
    public long OutFeatures => throw new NotImplementedException();

    /// <summary>K.</summary>
    public long InFeatures => throw new NotImplementedException();

    /// <summary>The trained tensors, in the update's file order, then the bias when it is trained.</summary>
    public IReadOnlyList<Parameter> Parameters => throw new NotImplementedException();

    /// <summary>y = x·W0ᵀ + b + α·x·ΔWᵀ.</summary>
    /// <param name="x">[…, K].</param>
    /// <param name="y">[…, N], overwritten.</param>
    /// <param name="context">Keeps what backward needs; null when no backward follows.</param>
    /// <param name="stream">Where the work goes.</param>
    public void Forward(Tensor x, Tensor y, LayerContext? context = null, StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>dx = dy·(W0 + α·ΔW), and the gradient of every parameter is added to.</summary>
    /// <param name="context">As the forward left it.</param>
    /// <param name="x">The forward's input, unchanged.</param>
    /// <param name="dy">The gradient of the loss with respect to y.</param>
    /// <param name="dx">Overwritten; null when not wanted.</param>
    /// <param name="stream">Where the work goes.</param>
    public void Backward(LayerContext context, Tensor x, Tensor dy, Tensor? dx, StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>Writes α·ΔW, [N, K] in the weight's dtype.</summary>
    public void MaterializeDelta(Tensor delta, StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>Writes W0 + α·ΔW, [N, K] in the weight's dtype.</summary>
    public void Merge(Tensor into, StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>Sets all gradients to zero.</summary>
    public void ZeroGradients(StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>What runs for this many tokens.</summary>
    public LayerPlan Plan(long tokens, bool inputGradient = true) => throw new NotImplementedException();

    /// <summary>The plan in words.</summary>
    public string Explain(long tokens) => throw new NotImplementedException();

    /// <summary>Releases the parameters. Work in flight must be done.</summary>
    public void Dispose() => throw new NotImplementedException();
}
