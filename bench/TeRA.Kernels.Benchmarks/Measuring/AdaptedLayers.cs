using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>The adapted layers of all sets of a problem, with random trained values: what a candidate runs.</summary>
internal sealed class AdaptedLayers : IDisposable
{
    private readonly LayerInputs inputs;
    private readonly Tensor[] bases;
    private readonly AdaptedLinear[] layers;
    private readonly LayerContext[] contexts;

    /// <summary>Makes them.</summary>
    public AdaptedLayers(CudaDevice device, LayerInputs inputs, WeightUpdate update, AdaptedLinearOptions options)
    {
        this.inputs = inputs;
        bases = [.. update.Stored.Select(tensor => DeviceData.Normal(device, tensor.DType, 0.1, [.. tensor.Shape]))];
        var given = new GivenTensors { Stored = bases };
        layers = [.. inputs.Weights.Select(weight => new AdaptedLinear(device, weight, null, update, options, given))];
        foreach (Parameter parameter in layers.SelectMany(layer => layer.Parameters))
        {
            DeviceData.FillNormal(device, parameter.Value, 0.1);
        }

        contexts = [.. layers.Select(_ => new LayerContext())];
    }

    /// <summary>Bytes of frozen bases, one copy for all layers.</summary>
    public long SharedBytes => bases.Sum(tensor => tensor.ElementCount * tensor.DType.Size());

    /// <summary>Frees and makes anew what the contexts hold, so that the next run allocates it.</summary>
    public void RenewContexts()
    {
        for (int i = 0; i < contexts.Length; i++)
        {
            contexts[i].Dispose();
            contexts[i] = new LayerContext();
        }
    }

    /// <summary>What runs.</summary>
    public LayerPlan Plan(long tokens) => layers[0].Plan(tokens);

    /// <summary>Submits the forward of a set.</summary>
    public void Forward(StreamHandle stream, int set)
    {
        foreach (int i in inputs.Layers(set))
        {
            layers[i].Forward(inputs.Input(i), inputs.Output(i), contexts[i], stream);
        }
    }

    /// <summary>Submits forward and backward of a set.</summary>
    public void Step(StreamHandle stream, int set)
    {
        Forward(stream, set);
        foreach (int i in inputs.Layers(set).Reverse())
        {
            layers[i].Backward(contexts[i], inputs.Input(i), inputs.OutputGradient(i), inputs.InputGradient(i), stream);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach<IDisposable>([.. contexts, .. layers, .. bases], item => item.Dispose());

    /// <summary>Device memory of a step beyond the layers themselves, as the driver's free memory shows it.</summary>
    /// <param name="shape">The problem.</param>
    /// <param name="update">ΔW.</param>
    /// <param name="options">The policy.</param>
    public static long MeasureBytes(LayerShape shape, WeightUpdate update, AdaptedLinearOptions options)
    {
        // A device object of its own has no scratch yet, and gives it back at the end.
        using CudaDevice device = CudaDevice.Open();
        using var inputs = new LayerInputs(device, shape, onlyOneSet: true);
        using var layers = new AdaptedLayers(device, inputs, update, options);
        using CudaStream warm = device.CreateStream(), fresh = device.CreateStream();
        layers.Step(warm, 0);
        layers.RenewContexts();
        device.Synchronize(warm);
        long before = device.Memory.Free;
        layers.Step(fresh, 0);
        device.Synchronize(fresh);
        return before - device.Memory.Free;
    }
}
