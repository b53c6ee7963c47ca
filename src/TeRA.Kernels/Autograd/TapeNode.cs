using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>One recorded operation: its output, and the gradients on both sides of it.</summary>
/// <param name="producer">The node whose output is this node's input; null when the input comes from outside.</param>
internal abstract class TapeNode(TapeNode? producer) : IDisposable
{
    private SingleStep? addition;

    /// <summary>The node that made the input.</summary>
    public TapeNode? Producer { get; } = producer;

    /// <summary>Something trained lies at or before this node.</summary>
    public abstract bool NeedsGradient { get; }

    /// <summary>The producer waits for a gradient.</summary>
    public bool NeedsInputGradient => Producer is { NeedsGradient: true };

    /// <summary>What the operation computed.</summary>
    public required Tensor Output { get; init; }

    /// <summary>The loss's gradient with respect to the input; null when nobody waits for it.</summary>
    public Tensor? InputGradient { get; init; }

    /// <summary>
    /// The loss's gradient with respect to the output while a backward runs: the first consumer's input gradient, to which the
    /// others' are added; null before any consumer ran.
    /// </summary>
    public Tensor? OutputGradient { get; private set; }

    /// <summary>Forgets the gradient of the last backward.</summary>
    public void ClearGradient() => OutputGradient = null;

    /// <summary>Takes one consumer's gradient.</summary>
    public void Receive(Tensor gradient, StreamHandle stream)
    {
        if (OutputGradient is not { } sum)
        {
            OutputGradient = gradient;
            return;
        }

        Operand first = new(1, sum.DType), second = new(2, sum.DType);
        addition ??= new SingleStep(sum.Device, new ScaledAddStep(first, second, first, sum.ElementCount) { Label = "gradient += gradient of another use" });
        addition.Run(stream, sum.Address, gradient.Address);
    }

    /// <summary>Computes the input's gradient from the output's, and adds to the parameters' gradients.</summary>
    public abstract void Backward(StreamHandle stream);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Output.Dispose();
        InputGradient?.Dispose();
    }

    /// <summary>Hands the input's gradient to whoever made the input.</summary>
    protected void Deliver(StreamHandle stream)
    {
        if (NeedsInputGradient)
        {
            Producer!.Receive(InputGradient!, stream);
        }
    }

    /// <summary>A tensor of the same shape, dtype and device.</summary>
    protected static Tensor Like(Tensor tensor) => tensor.Device.Allocate(tensor.DType, tensor.Shape);

    /// <summary>The address, or 0 for an empty tensor.</summary>
    protected static nint AddressOf(Tensor tensor) => tensor.ElementCount == 0 ? 0 : tensor.Address;
}
