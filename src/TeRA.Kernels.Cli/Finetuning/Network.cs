namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>A perceptron with ReLU between its layers, every layer frozen with an update that trains.</summary>
internal sealed class Network : IDisposable
{
    private readonly Device device;
    private readonly List<Tensor> frozen = [];
    private readonly Tape tape;

    /// <summary>A network whose layers are made elsewhere.</summary>
    public Network(Device device, IReadOnlyList<LayerWeights> weights, LayerFactory create)
    {
        this.device = device;
        tape = new Tape(device);
        Layers = [.. weights.Select(layer => create(layer, Keep(device.From<float>(layer.Weight, layer.OutFeatures, layer.InFeatures)), Keep(device.From<float>(layer.Bias, layer.OutFeatures))))];
        Names = [.. weights.Select(layer => layer.Name)];
    }

    /// <summary>A network that starts to train; frozen bases are on the device once.</summary>
    public Network(Device device, IReadOnlyList<LayerWeights> weights, MethodPlan plan, AdaptedLinearOptions? options = null)
        : this(device, weights, Factory(device, plan, options, out Tensor[] stored)) => frozen.AddRange(stored);

    /// <summary>Makes a layer of frozen tensors, which the network keeps.</summary>
    public delegate AdaptedLinear LayerFactory(LayerWeights layer, Tensor weight, Tensor bias);

    /// <summary>In forward order.</summary>
    public IReadOnlyList<AdaptedLinear> Layers { get; }

    /// <summary>The layers' names, as adapter files know them.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Everything that trains.</summary>
    public IEnumerable<Parameter> Parameters => Layers.SelectMany(layer => layer.Parameters);

    /// <summary>How many numbers that is.</summary>
    public long TrainedCount => Parameters.Sum(parameter => parameter.Value.ElementCount);

    /// <summary>One training step: gradients are added to, the loss stays on the device.</summary>
    public Tensor Backpropagate(Tensor images, Labels labels)
    {
        tape.Reset();
        Tensor loss = tape.SoftmaxCrossEntropy(Logits(images), labels);
        tape.Backward(loss);
        return loss;
    }

    /// <summary>Share of the images whose largest logit is their class.</summary>
    public double Accuracy(Digits digits)
    {
        using Tensor images = device.From<float>(digits.Images, digits.Count, Digits.Pixels);
        tape.Reset();
        float[] logits = Logits(images).ToArray<float>();
        int right = 0;
        for (int i = 0; i < digits.Count; i++)
        {
            ReadOnlySpan<float> row = logits.AsSpan(i * Digits.Classes, Digits.Classes);
            right += System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row) == digits.Labels[i] ? 1 : 0;
        }

        return (double)right / digits.Count;
    }

    /// <summary>W0 + α·ΔW of every layer, with the trained bias where there is one.</summary>
    public IReadOnlyList<LayerWeights> Merge()
    {
        var merged = new List<LayerWeights>();
        for (int i = 0; i < Layers.Count; i++)
        {
            AdaptedLinear layer = Layers[i];
            using Tensor weight = device.Allocate(DType.Float32, layer.OutFeatures, layer.InFeatures);
            layer.Merge(weight);
            Tensor bias = layer.Parameters.FirstOrDefault(parameter => parameter.Name == "bias")?.Value ?? layer.Bias!;
            merged.Add(new LayerWeights(Names[i], layer.OutFeatures, layer.InFeatures, weight.ToArray<float>(), bias.ToArray<float>()));
        }

        return merged;
    }

    public void Dispose()
    {
        tape.Dispose();
        foreach (AdaptedLinear layer in Layers)
        {
            layer.Dispose();
        }

        foreach (Tensor tensor in frozen)
        {
            tensor.Dispose();
        }
    }

    private static LayerFactory Factory(Device device, MethodPlan plan, AdaptedLinearOptions? options, out Tensor[] stored)
    {
        Tensor[] bases = plan.Bases is { } shared ? [shared.CopyA(device), shared.CopyB(device)] : [];
        stored = bases;
        return (layer, weight, bias) => new AdaptedLinear(device, weight, bias, plan.Update(layer), options, new GivenTensors { Stored = bases });
    }

    private Tensor Keep(Tensor tensor)
    {
        frozen.Add(tensor);
        return tensor;
    }

    private Tensor Logits(Tensor images)
    {
        Tensor x = images;
        for (int i = 0; i < Layers.Count; i++)
        {
            x = tape.Linear(Layers[i], x);
            if (i < Layers.Count - 1)
            {
                x = tape.Relu(x);
            }
        }

        return x;
    }
}
