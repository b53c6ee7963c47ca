namespace TeRA.Kernels.Verification;

/// <summary>
/// The truth: a whole layer in float64, dense, by the textbook formulas. ΔW is formed, Y = X·(W0 + α·ΔW)ᵀ + b, dX = dY·(W0 + α·ΔW),
/// and the gradients come from dW = dYᵀ·X. It shares nothing with the devices but the random elements.
/// </summary>
internal static class DenseReference
{
    /// <summary>All results, or the sums of their terms' magnitudes.</summary>
    public static LayerValues Compute(LayerData data, Magnitude magnitude = Magnitude.Value)
    {
        (long b, long n, long k) = (data.Tokens, data.OutFeatures, data.InFeatures);
        Func<double, double> of = Transformation(magnitude);
        double[] x = Array.ConvertAll(data.X, v => of(v)), dy = Array.ConvertAll(data.OutputGradient, v => of(v));
        double[] weight = Array.ConvertAll(data.Weight, v => of(v));
        UpdateMatrices<double>? matrices = data.Update is { } update ? new(update, data.Trained, data.Stored, of) : null;
        double[] delta = matrices?.Delta() ?? new double[n * k];
        double[] merged = [.. weight.Zip(delta, (w, change) => w + change)];
        double[] y = Dense.Multiply(x, Dense.Transpose(merged, n, k), b, n, k);
        for (long i = 0; data.Bias is { } bias && i < y.Length; i++)
        {
            y[i] += of(bias[i % n]);
        }

        return new LayerValues
        {
            Delta = delta,
            Merged = merged,
            Y = y,
            InputGradient = Dense.Multiply(dy, merged, b, k, n),
            Gradients = matrices is null ? [] : Gradients(matrices, x, dy, b, n, k),
            BiasGradient = [.. Enumerable.Range(0, (int)n).Select(column => Enumerable.Range(0, (int)b).Sum(row => dy[(row * n) + column]))],
        };
    }

    private static Func<double, double> Transformation(Magnitude magnitude) => magnitude switch
    {
        Magnitude.Absolute => Math.Abs,
        Magnitude.Square => static value => value * value,
        _ => static value => value,
    };

    private static double[][] Gradients(UpdateMatrices<double> matrices, double[] x, double[] dy, long b, long n, long k)
    {
        double[] weightGradient = Dense.Multiply(Dense.Transpose(dy, b, n), x, n, k, b);
        double[] FromLeft() => matrices.Left is { } left ? Dense.Multiply(Dense.Transpose(left, n, matrices.R), weightGradient, matrices.R, k, n) : weightGradient;
        double[] FromRight(double[] product, long rows) =>
            matrices.Right is { } right ? Dense.Multiply(product, Dense.Transpose(right, matrices.S, k), rows, matrices.S, k) : product;
        return matrices.Gradients(() => FromRight(FromLeft(), matrices.R), FromLeft, () => FromRight(weightGradient, n));
    }
}
