namespace TeRA.Kernels.Verification;

/// <summary>
/// The yardstick: the same layer as a straightforward low-precision implementation would compute it, with dense matrices of the 16-bit dtype
/// as tensor libraries have them. Sums in float32, every stored matrix rounded once: Left, Core, Right and their products on the way to
/// W = W0 + α·ΔW, P = X·Rightᵀ, Q = dY·Left, Y and dX. For float32 nothing is rounded beyond float32 itself.
/// </summary>
internal static class PlainReference
{
    /// <summary>All results.</summary>
    /// <param name="data">The problem.</param>
    /// <param name="factored">y and dX through the update's operators one after another, as the factored path has them, instead of through W.</param>
    public static LayerValues Compute(LayerData data, bool factored = false)
    {
        (long b, long n, long k) = (data.Tokens, data.OutFeatures, data.InFeatures);
        float[] x = Convert(data.X), dy = Convert(data.OutputGradient), weight = Convert(data.Weight);
        UpdateMatrices<float>? matrices = data.Update is { } update ? new(update, data.Trained, data.Stored, static value => (float)value) : null;
        float[] delta = matrices?.Delta(matrix => Round(matrix, data.DType)) ?? new float[n * k];
        float[] merged = Round([.. weight.Zip(delta, (w, change) => w + change)], data.DType);
        (float[] y, float[] dx) = factored && matrices is not null
            ? Factored(matrices, data, x, dy, weight)
            : (AddBias(Dense.Multiply(x, Dense.Transpose(merged, n, k), b, n, k), data.Bias), Dense.Multiply(dy, merged, b, k, n));
        return new LayerValues
        {
            Delta = Widen(Round(delta, data.DType)),
            Merged = Widen(merged),
            Y = Widen(Round(y, data.DType)),
            InputGradient = Widen(Round(dx, data.DType)),
            Gradients = matrices is null ? [] : Array.ConvertAll(Gradients(matrices, data, x, dy), Widen),
            BiasGradient = [.. Enumerable.Range(0, (int)n).Select(column => (double)Sum(dy, b, n, column))],
        };
    }

    private static float[] AddBias(float[] y, double[]? bias) =>
        bias is null ? y : [.. y.Select((value, i) => value + (float)bias[i % bias.Length])];

    private static (float[] Y, float[] InputGradient) Factored(UpdateMatrices<float> matrices, LayerData data, float[] x, float[] dy, float[] weight)
    {
        (long b, long n, long k, long r, long s) = (data.Tokens, data.OutFeatures, data.InFeatures, matrices.R, matrices.S);
        float[] Store(float[] matrix) => Round(matrix, data.DType);
        float[] Through(float[] input, float[]? matrix, float[]? scale, long rows, long columns, bool transposed) =>
            Store(Dense.ScaleColumns(matrix is null ? input
                : Store(Dense.Multiply(input, transposed ? Dense.Transpose(Store(matrix), columns, rows) : Store(matrix), b, columns, rows)), scale));
        float[] Sum(float[] plain, float[] update) => [.. Store(plain).Zip(update, (w, change) => w + (matrices.Alpha * change))];

        float[] z = Through(Through(x, matrices.Right, matrices.E, k, s, true), matrices.Core, matrices.D, s, r, true);
        float[] t = Through(Through(dy, matrices.Left, matrices.D, n, r, false), matrices.Core, matrices.E, r, s, false);
        return (
            Sum(AddBias(Dense.Multiply(x, Dense.Transpose(weight, n, k), b, n, k), data.Bias), Through(z, matrices.Left, null, r, n, true)),
            Sum(Dense.Multiply(dy, weight, b, k, n), Through(t, matrices.Right, null, s, k, false)));
    }

    private static float[][] Gradients(UpdateMatrices<float> matrices, LayerData data, float[] x, float[] dy)
    {
        (long b, long n, long k, long r, long s) = (data.Tokens, data.OutFeatures, data.InFeatures, matrices.R, matrices.S);
        float[] p = matrices.Right is { } right
            ? Round(Dense.Multiply(x, Dense.Transpose(Round(right, data.DType), s, k), b, s, k), data.DType) : x;
        float[] q = matrices.Left is { } left ? Round(Dense.Multiply(dy, Round(left, data.DType), b, r, n), data.DType) : dy;
        return matrices.Gradients(
            () => Dense.Multiply(Dense.Transpose(q, b, r), p, r, s, b),
            () => Dense.Multiply(Dense.Transpose(q, b, r), x, r, k, b),
            () => Dense.Multiply(Dense.Transpose(dy, b, n), p, n, s, b));
    }

    private static float Sum(float[] matrix, long rows, long columns, int column)
    {
        float sum = 0;
        for (long row = 0; row < rows; row++)
        {
            sum += matrix[(row * columns) + column];
        }

        return sum;
    }

    private static float[] Convert(double[] values) => Array.ConvertAll(values, value => (float)value);

    private static double[] Widen(float[] values) => Array.ConvertAll(values, value => (double)value);

    private static float[] Round(float[] values, DType dtype) => Array.ConvertAll(values, value => (float)Elements.Round(value, dtype));
}
