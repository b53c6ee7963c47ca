namespace TeRA.Kernels;

/// <summary>Records a forward pass and runs it backwards. After <see cref="Reset"/> the same sequence of calls reuses every node and buffer.</summary>
public sealed class Tape : IDisposable
{
    /// <summary>An empty tape.</summary>
    /// <param name="device">Where everything is.</param>
    /// <param name="stream">Where the work goes.</param>
    public Tape(Device device, StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>y = layer(x), [B, N]; the tensor belongs to the tape.</summary>
    public Tensor Linear(AdaptedLinear layer, Tensor x) => throw new NotImplementedException();

    /// <summary>max(x, 0).</summary>
    public Tensor Relu(Tensor x) => throw new NotImplementedException();

    /// <summary>x·Φ(x).</summary>
    public Tensor Gelu(Tensor x) => throw new NotImplementedException();

    /// <summary>The mean of the squared differences, one float32 (float64) on the device.</summary>
    public Tensor MeanSquaredError(Tensor prediction, Tensor target) => throw new NotImplementedException();

    /// <summary>The mean cross-entropy of softmax(logits), one float32 (float64) on the device.</summary>
    public Tensor SoftmaxCrossEntropy(Tensor logits, Labels labels) => throw new NotImplementedException();

    /// <summary>Runs backwards from a loss of this tape.</summary>
    public void Backward(Tensor loss) => throw new NotImplementedException();

    /// <summary>Runs backwards from an output of this tape whose gradient somebody else computed.</summary>
    public void Backward(Tensor output, Tensor gradient) => throw new NotImplementedException();

    /// <summary>Starts the next step.</summary>
    public void Reset() => throw new NotImplementedException();

    /// <summary>Releases the tape's tensors and contexts; layers stay.</summary>
    public void Dispose() => throw new NotImplementedException();
}
