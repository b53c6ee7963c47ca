using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>How far a trained layer's output is from the dense float64 reference.</summary>
/// <param name="Relative">Largest |y − reference| in units of the largest |reference|.</param>
/// <param name="Ratio">Largest error in units of roundoff·Σ|terms|; float32 results must stay below <see cref="LayerComparer.BlasFactor"/>.</param>
internal readonly record struct LayerDeviation(double Relative, double Ratio)
{
    private const int Images = 64;

    /// <summary>The worst of all layers, each fed with the activations that the network feeds it.</summary>
    public static LayerDeviation Worst(Network network, Digits digits)
    {
        int count = Math.Min(Images, digits.Count);
        double[] x = [.. digits.Images.Take(count * Digits.Pixels).Select(pixel => (double)pixel)];
        var worst = new LayerDeviation(0, 0);
        for (int i = 0; i < network.Layers.Count; i++)
        {
            (LayerDeviation deviation, double[] y) = Of(network.Layers[i], x, count);
            worst = new LayerDeviation(Math.Max(worst.Relative, deviation.Relative), Math.Max(worst.Ratio, deviation.Ratio));
            x = Array.ConvertAll(y, value => Math.Max(value, 0));
        }

        return worst;
    }

    private static (LayerDeviation Deviation, double[] Y) Of(AdaptedLinear layer, double[] x, long count)
    {
        using Tensor input = LayerRunner.Upload(layer.Device.Allocate(DType.Float32, count, layer.InFeatures), x);
        using Tensor output = layer.Device.Allocate(DType.Float32, count, layer.OutFeatures);
        layer.Forward(input, output);
        layer.Device.Synchronize();
        double[] y = LayerRunner.Download(output);
        LayerData data = Data(layer, x, count);
        double[] reference = DenseReference.Compute(data).Y;
        double[] scale = DenseReference.Compute(data, Magnitude.Absolute).Y;
        double largest = 0, error = 0, ratio = 0;
        for (int i = 0; i < y.Length; i++)
        {
            double difference = Math.Abs(y[i] - reference[i]);
            largest = Math.Max(largest, Math.Abs(reference[i]));
            error = Math.Max(error, double.IsNaN(difference) ? double.PositiveInfinity : difference);
            ratio = Math.Max(ratio, difference / (DType.Float32.UnitRoundoff() * scale[i]));
        }

        return (new LayerDeviation(error / largest, ratio), y);
    }

    private static LayerData Data(AdaptedLinear layer, double[] x, long count) => new()
    {
        Update = layer.Update,
        DType = DType.Float32,
        Tokens = count,
        OutFeatures = layer.OutFeatures,
        InFeatures = layer.InFeatures,
        Weight = LayerRunner.Download(layer.Weight),
        Bias = layer.Bias is { } bias ? LayerRunner.Download(bias) : null,
        X = x,
        OutputGradient = new double[count * layer.OutFeatures],
        Trained = [.. layer.Parameters.Select(parameter => LayerRunner.Download(parameter.Value))],
    };
}
