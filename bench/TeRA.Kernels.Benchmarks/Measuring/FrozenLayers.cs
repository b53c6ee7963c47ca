using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>The same layers without an adapter, made of two cuBLASLt products each: what everything is divided by.</summary>
internal sealed class FrozenLayers
{
    private readonly LayerInputs inputs;
    private readonly Action<StreamHandle>[] forward;
    private readonly Action<StreamHandle>[] backward;

    /// <summary>Picks the algorithms.</summary>
    public FrozenLayers(CublasLt cublas, LayerInputs inputs, LayerShape shape)
    {
        this.inputs = inputs;
        (long tokens, long n, long k) = (shape.Tokens, shape.OutFeatures, shape.InFeatures);
        forward = [.. inputs.Weights.Select((weight, i) => cublas.Product(inputs.Input(i), Layout.Normal, weight, Layout.Transposed, inputs.Output(i), tokens, n, k))];
        backward = [.. inputs.Weights.Select((weight, i) => cublas.Product(inputs.OutputGradient(i), Layout.Normal, weight, Layout.Normal, inputs.InputGradient(i), tokens, k, n))];
    }

    /// <summary>Submits the forward of a set.</summary>
    public void Forward(StreamHandle stream, int set)
    {
        foreach (int i in inputs.Layers(set))
        {
            forward[i](stream);
        }
    }

    /// <summary>Submits forward and dX of a set.</summary>
    public void Step(StreamHandle stream, int set)
    {
        Forward(stream, set);
        foreach (int i in inputs.Layers(set).Reverse())
        {
            backward[i](stream);
        }
    }
}
