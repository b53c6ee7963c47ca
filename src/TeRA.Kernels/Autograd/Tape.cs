using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// Records a forward pass and runs it backwards. After <see cref="Reset"/> the same sequence of calls with the same shapes reuses every
/// node and buffer: nothing is allocated, nothing synchronises, and a whole step can be captured in a CUDA graph. Another sequence
/// rebuilds from the first difference on; use one tape for each shape (training, evaluation). Not synchronised: one thread at a time.
/// The tensors that it returns belong to it and are overwritten by the next step.
/// </summary>
public sealed class Tape : IDisposable
{
    private readonly List<TapeNode> nodes = [];
    private int recorded;
    private bool disposed;

    /// <summary>An empty tape.</summary>
    /// <param name="device">Where everything is.</param>
    /// <param name="stream">Where the work goes.</param>
    public Tape(Device device, StreamHandle stream = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
        Stream = stream;
    }

    /// <summary>Where everything is.</summary>
    public Device Device { get; }

    /// <summary>Where the work goes.</summary>
    public StreamHandle Stream { get; }

    /// <summary>Factor of every gradient, for float16 training; the loss's value is not scaled. Divide it out with <see cref="Optimizer.GradientScale"/>.</summary>
    public double LossScale { get; set; } = 1;

    /// <summary>y = layer(x), […, N]. Gradients flow to the layer's parameters, and to x where it depends on trained layers of this tape.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">[…, K]: a tensor of this tape, or any other.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit.</exception>
    public Tensor Linear(AdaptedLinear layer, Tensor x)
    {
        ArgumentNullException.ThrowIfNull(layer);
        Check(x, nameof(x), layer.Weight.DType);
        TapeNode? producer = ProducerOf(x);
        if (Next() is not LinearNode node || !node.Serves(layer, x, producer))
        {
            node = Replace(LinearNode.Create(layer, x, producer));
        }

        node.Forward(x, Stream);
        return Record(node);
    }

    /// <summary>max(x, 0), element by element.</summary>
    /// <param name="x">Any shape.</param>
    public Tensor Relu(Tensor x) => Activation(ActivationKind.Relu, x);

    /// <summary>x·Φ(x), element by element, with Φ by the error function.</summary>
    /// <param name="x">Any shape.</param>
    public Tensor Gelu(Tensor x) => Activation(ActivationKind.Gelu, x);

    /// <summary>a + b, element by element: a residual connection.</summary>
    /// <param name="a">Any shape.</param>
    /// <param name="b">Same shape and dtype.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit.</exception>
    public Tensor Add(Tensor a, Tensor b)
    {
        Check(a, nameof(a), dtype: null);
        Check(b, nameof(b), a.DType);
        if (!b.Shape.SequenceEqual(a.Shape))
        {
            throw new ArgumentException($"Expected the shape of a, {a}, found {b}.", nameof(b));
        }

        TapeNode? first = ProducerOf(a), second = ProducerOf(b);
        if (Next() is not AddNode node || !node.Serves(a, first, second))
        {
            node = Replace(AddNode.Create(a, first, second));
        }

        node.Forward(a, b, Stream);
        return Record(node);
    }

    /// <summary>The mean of the squared differences: one float32 (float64) on the device.</summary>
    /// <param name="prediction">[…, C].</param>
    /// <param name="target">Same shape and dtype.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit.</exception>
    public Tensor MeanSquaredError(Tensor prediction, Tensor target)
    {
        Check(prediction, nameof(prediction), dtype: null);
        CheckHasColumns(prediction, nameof(prediction));
        Check(target, nameof(target), prediction.DType);
        if (!target.Shape.SequenceEqual(prediction.Shape))
        {
            throw new ArgumentException($"Expected the prediction's shape, {prediction}, found {target}.", nameof(target));
        }

        return Loss(isCrossEntropy: false, prediction, target.ElementCount == 0 ? 0 : target.Address);
    }

    /// <summary>The mean over the rows of −log softmax(logits)[label]: one float32 (float64) on the device.</summary>
    /// <param name="logits">[…, C].</param>
    /// <param name="labels">One label from 0 to C − 1 for each row. They are not read on the host: a label outside gives NaN.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit.</exception>
    public Tensor SoftmaxCrossEntropy(Tensor logits, Labels labels)
    {
        Check(logits, nameof(logits), dtype: null);
        CheckHasColumns(logits, nameof(logits));
        ArgumentNullException.ThrowIfNull(labels);
        long rows = logits.ElementCount / logits.Shape[^1];
        if (!ReferenceEquals(labels.Device, Device) || labels.Count != rows)
        {
            throw new ArgumentException($"Expected {rows} labels on {Device.Id}, one for each row of the logits, found {labels.Count} on {labels.Device.Id}.", nameof(labels));
        }

        return Loss(isCrossEntropy: true, logits, labels.Address);
    }

    /// <summary>Runs backwards from a loss: adds to the gradients of all parameters that it depends on.</summary>
    /// <param name="loss">What <see cref="MeanSquaredError"/> or <see cref="SoftmaxCrossEntropy"/> of this step returned.</param>
    /// <exception cref="ArgumentException">The tensor is no loss of this tape's current step.</exception>
    /// <exception cref="InvalidOperationException">Nothing trained leads to it.</exception>
    public void Backward(Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        if (ProducerOf(loss) is not LossNode node)
        {
            throw new ArgumentException("Expected a loss that this tape computed since its last Reset; for other outputs pass their gradient too.", nameof(loss));
        }

        Walk(node, null);
    }

    /// <summary>Runs backwards from an output whose gradient somebody else computed.</summary>
    /// <param name="output">A tensor of this tape's current step.</param>
    /// <param name="gradient">The gradient with respect to it, same shape and dtype; only read.</param>
    /// <exception cref="ArgumentException">The tensor is not of this step, or the gradient does not fit.</exception>
    /// <exception cref="InvalidOperationException">Nothing trained leads to it.</exception>
    public void Backward(Tensor output, Tensor gradient)
    {
        ArgumentNullException.ThrowIfNull(output);
        Check(gradient, nameof(gradient), output.DType);
        if (ProducerOf(output) is not { } node || node is LossNode)
        {
            throw new ArgumentException("Expected an output that this tape computed since its last Reset.", nameof(output));
        }

        if (!gradient.Shape.SequenceEqual(output.Shape))
        {
            throw new ArgumentException($"Expected the output's shape, {output}, found {gradient}.", nameof(gradient));
        }

        Walk(node, gradient);
    }

    /// <summary>Starts the next step: the same calls will meet the same nodes.</summary>
    public void Reset()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        recorded = 0;
    }

    /// <summary>Releases the tape's tensors and contexts; layers stay. Work in flight must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        DisposeFrom(0);
    }

    private Tensor Activation(ActivationKind kind, Tensor x)
    {
        Check(x, nameof(x), dtype: null);
        TapeNode? producer = ProducerOf(x);
        if (Next() is not ActivationNode node || !node.Serves(kind, x, producer))
        {
            node = Replace(ActivationNode.Create(kind, x, producer));
        }

        node.Forward(x, Stream);
        return Record(node);
    }

    private Tensor Loss(bool isCrossEntropy, Tensor input, nint target)
    {
        TapeNode? producer = ProducerOf(input);
        if (Next() is not LossNode node || !node.Serves(isCrossEntropy, input, LossScale, producer))
        {
            node = Replace(LossNode.Create(isCrossEntropy, input, LossScale, producer));
        }

        node.Forward(input, target, Stream);
        return Record(node);
    }

    private void Walk(TapeNode from, Tensor? gradient)
    {
        if (!from.NeedsGradient)
        {
            throw new InvalidOperationException("Nothing trained leads to this tensor: no layer before it has parameters, so there is nothing to run backwards.");
        }

        for (int i = 0; i < recorded; i++)
        {
            nodes[i].ClearGradient();
        }

        if (gradient is not null)
        {
            from.Receive(gradient, Stream);
        }

        for (int i = nodes.IndexOf(from); i >= 0; i--)
        {
            if (ReferenceEquals(nodes[i], from) || (nodes[i].NeedsGradient && nodes[i].OutputGradient is not null))
            {
                nodes[i].Backward(Stream);
            }
        }
    }

    private TapeNode? Next() => recorded < nodes.Count ? nodes[recorded] : null;

    private Tensor Record(TapeNode node)
    {
        recorded++;
        return node.Output;
    }

    /// <summary>The tape takes another course from here: what was recorded for the old one goes, once the device is done with it.</summary>
    private TNode Replace<TNode>(TNode node) where TNode : TapeNode
    {
        if (recorded < nodes.Count)
        {
            Device.Synchronize(Stream);
            DisposeFrom(recorded);
        }

        nodes.Add(node);
        return node;
    }

    private void DisposeFrom(int index)
    {
        for (int i = index; i < nodes.Count; i++)
        {
            nodes[i].Dispose();
        }

        nodes.RemoveRange(index, nodes.Count - index);
    }

    private TapeNode? ProducerOf(Tensor tensor)
    {
        for (int i = recorded - 1; i >= 0; i--)
        {
            if (ReferenceEquals(nodes[i].Output, tensor))
            {
                return nodes[i];
            }
        }

        return null;
    }

    private void Check(Tensor tensor, string name, DType? dtype)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentNullException.ThrowIfNull(tensor, name);
        Arguments.CheckPlace(tensor, name, Device, dtype ?? tensor.DType);
        for (int i = recorded; i < nodes.Count; i++)
        {
            if (ReferenceEquals(nodes[i].Output, tensor))
            {
                throw new ArgumentException("The tensor is an output of this tape's previous step, which this step overwrites. Compute it again after Reset, or copy it.", name);
            }
        }
    }

    private static void CheckHasColumns(Tensor tensor, string name)
    {
        if (tensor.Shape.Length == 0 || tensor.Shape[^1] == 0)
        {
            throw new ArgumentException($"Expected [rows, columns] with at least one column, found {tensor}.", name);
        }
    }
}
