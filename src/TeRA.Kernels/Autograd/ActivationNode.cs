using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>y = f(x), element by element.</summary>
internal sealed class ActivationNode : TapeNode
{
    private readonly ActivationKind kind;
    private readonly SingleStep forward;
    private readonly SingleStep? backward;
    private Tensor input;

    private ActivationNode(ActivationKind kind, Tensor input, TapeNode? producer)
        : base(producer)
    {
        this.kind = kind;
        this.input = input;
        Operand first = new(1, input.DType), second = new(2, input.DType), third = new(3, input.DType);
        forward = new SingleStep(input.Device, new ActivationStep(kind, first, second, input.ElementCount) { Label = $"{kind}(x)" });
        backward = NeedsInputGradient
            ? new SingleStep(input.Device, new ActivationGradientStep(kind, first, second, third, input.ElementCount) { Label = $"dx = dy·{kind}'(x)" })
            : null;
    }

    /// <inheritdoc/>
    public override bool NeedsGradient => NeedsInputGradient;

    /// <summary>A node for inputs of this shape.</summary>
    public static ActivationNode Create(ActivationKind kind, Tensor input, TapeNode? producer) => new(kind, input, producer)
    {
        Output = Like(input),
        InputGradient = producer is { NeedsGradient: true } ? Like(input) : null,
    };

    /// <summary>Whether it serves this call too.</summary>
    public bool Serves(ActivationKind other, Tensor x, TapeNode? producer) =>
        kind == other && ReferenceEquals(Producer, producer) && input.DType == x.DType && input.Shape.SequenceEqual(x.Shape);

    /// <summary>Runs forward.</summary>
    public void Forward(Tensor x, StreamHandle stream)
    {
        input = x;
        forward.Run(stream, AddressOf(x), AddressOf(Output));
    }

    /// <inheritdoc/>
    public override void Backward(StreamHandle stream)
    {
        backward!.Run(stream, AddressOf(input), AddressOf(OutputGradient!), AddressOf(InputGradient!));
        Deliver(stream);
    }
}
