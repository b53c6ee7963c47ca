using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>y = a + b. Each input gets its own copy of the gradient, since others' gradients may be added to it.</summary>
internal sealed class AddNode : TapeNode
{
    private readonly TapeNode? second;
    private readonly Tensor? secondGradient;
    private readonly SingleStep forward;
    private readonly SingleStep copy;

    private AddNode(Tensor a, TapeNode? producer, TapeNode? second)
        : base(producer)
    {
        this.second = second;
        secondGradient = second is { NeedsGradient: true } ? Like(a) : null;
        Operand left = new(1, a.DType), right = new(2, a.DType), sum = new(3, a.DType);
        forward = new SingleStep(a.Device, new ScaledAddStep(left, right, sum, a.ElementCount) { Label = "a + b" });
        copy = new SingleStep(a.Device, new ConvertStep(left, right, a.ElementCount) { Label = "da = dy" });
    }

    /// <inheritdoc/>
    public override bool NeedsGradient => NeedsInputGradient || secondGradient is not null;

    /// <summary>A node for terms of this shape.</summary>
    public static AddNode Create(Tensor a, TapeNode? producer, TapeNode? second) => new(a, producer, second)
    {
        Output = Like(a),
        InputGradient = producer is { NeedsGradient: true } ? Like(a) : null,
    };

    /// <summary>Whether it serves this call too.</summary>
    public bool Serves(Tensor a, TapeNode? producer, TapeNode? other) =>
        ReferenceEquals(Producer, producer) && ReferenceEquals(second, other) && Output.DType == a.DType && Output.Shape.SequenceEqual(a.Shape);

    /// <summary>Runs forward.</summary>
    public void Forward(Tensor a, Tensor b, StreamHandle stream) => forward.Run(stream, AddressOf(a), AddressOf(b), AddressOf(Output));

    /// <inheritdoc/>
    public override void Backward(StreamHandle stream)
    {
        if (InputGradient is { } gradient)
        {
            copy.Run(stream, AddressOf(OutputGradient!), AddressOf(gradient));
            Deliver(stream);
        }

        if (secondGradient is not null)
        {
            copy.Run(stream, AddressOf(OutputGradient!), AddressOf(secondGradient));
            second!.Receive(secondGradient, stream);
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        secondGradient?.Dispose();
    }
}
