namespace TeRA.Kernels;

/// <summary>y = layer(x).</summary>
internal sealed class LinearNode : TapeNode
{
    private readonly LayerContext? context;
    private Tensor input;

    private LinearNode(AdaptedLinear layer, Tensor input, TapeNode? producer)
        : base(producer)
    {
        Layer = layer;
        this.input = input;
        context = NeedsGradient ? new LayerContext { InputGradient = NeedsInputGradient } : null;
    }

    /// <summary>The layer.</summary>
    public AdaptedLinear Layer { get; }

    /// <inheritdoc/>
    public override bool NeedsGradient => Layer.Parameters.Count > 0 || NeedsInputGradient;

    /// <summary>A node for inputs of this shape.</summary>
    public static LinearNode Create(AdaptedLinear layer, Tensor input, TapeNode? producer)
    {
        _ = Arguments.CheckRows(input, nameof(input), layer.InFeatures);
        long[] shape = [.. input.Shape[..^1], layer.OutFeatures];
        return new LinearNode(layer, input, producer)
        {
            Output = layer.Device.Allocate(layer.Weight.DType, shape),
            InputGradient = producer is { NeedsGradient: true } ? Like(input) : null,
        };
    }

    /// <summary>Whether it serves this call too.</summary>
    public bool Serves(AdaptedLinear layer, Tensor other, TapeNode? producer) =>
        ReferenceEquals(Layer, layer) && ReferenceEquals(Producer, producer) && (context is not null) == NeedsGradient && input.DType == other.DType && input.Shape.SequenceEqual(other.Shape);

    /// <summary>Runs forward.</summary>
    public void Forward(Tensor x, StreamHandle stream)
    {
        input = x;
        Layer.Forward(x, Output, context, stream);
    }

    /// <inheritdoc/>
    public override void Backward(StreamHandle stream)
    {
        Layer.Backward(context!, input, OutputGradient!, InputGradient, stream);
        Deliver(stream);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        context?.Dispose();
    }
}
