using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>A loss; its step computes the gradient of its input in the same pass, so backward only hands it on.</summary>
internal sealed class LossNode : TapeNode
{
    private readonly bool isCrossEntropy;
    private readonly double scale;
    private readonly Tensor shape;
    private readonly SingleStep step;

    private LossNode(bool isCrossEntropy, Tensor input, double scale, TapeNode? producer)
        : base(producer)
    {
        this.isCrossEntropy = isCrossEntropy;
        this.scale = scale;
        shape = input;
        step = new SingleStep(input.Device, StepOf(isCrossEntropy, input, scale, NeedsInputGradient));
    }

    /// <inheritdoc/>
    public override bool NeedsGradient => NeedsInputGradient;

    /// <summary>A node for predictions of this shape.</summary>
    public static LossNode Create(bool isCrossEntropy, Tensor input, double scale, TapeNode? producer) => new(isCrossEntropy, input, scale, producer)
    {
        Output = input.Device.Allocate(input.DType.ParameterDType()),
        InputGradient = producer is { NeedsGradient: true } ? Like(input) : null,
    };

    /// <summary>Whether it serves this call too.</summary>
    public bool Serves(bool crossEntropy, Tensor input, double lossScale, TapeNode? producer) =>
        isCrossEntropy == crossEntropy && scale.Equals(lossScale) && ReferenceEquals(Producer, producer)
        && shape.DType == input.DType && shape.Shape.SequenceEqual(input.Shape);

    /// <summary>Runs forward, gradient included.</summary>
    public void Forward(Tensor input, nint target, StreamHandle stream)
    {
        if (InputGradient is { } gradient)
        {
            step.Run(stream, AddressOf(input), target, Output.Address, AddressOf(gradient));
        }
        else
        {
            step.Run(stream, AddressOf(input), target, Output.Address);
        }
    }

    /// <inheritdoc/>
    public override void Backward(StreamHandle stream) => Deliver(stream);

    private static Step StepOf(bool isCrossEntropy, Tensor input, double scale, bool withGradient)
    {
        long columns = input.Shape[^1];
        long rows = columns == 0 ? 0 : input.ElementCount / columns;
        Operand prediction = new(1, input.DType), loss = new(3, input.DType.ParameterDType());
        Operand? gradient = withGradient ? new Operand(4, input.DType) : null;
        return isCrossEntropy
            ? new SoftmaxCrossEntropyStep(prediction, 2, loss, gradient, rows, columns) { Label = "softmax cross-entropy", LossScale = scale }
            : new MeanSquaredErrorStep(prediction, new Operand(2, input.DType), loss, gradient, rows, columns) { Label = "mean squared error", LossScale = scale };
    }
}
