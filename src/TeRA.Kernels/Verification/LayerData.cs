namespace TeRA.Kernels.Verification;

/// <summary>The numbers of one layer problem, all representable in its dtypes. Y = X·W0ᵀ + b + α·X·ΔWᵀ.</summary>
internal sealed record LayerData
{
    /// <summary>ΔW as data; null for a plain frozen layer.</summary>
    public required WeightUpdate? Update { get; init; }

    /// <summary>Of activations and W0.</summary>
    public required DType DType { get; init; }

    /// <summary>B.</summary>
    public required long Tokens { get; init; }

    /// <summary>N.</summary>
    public required long OutFeatures { get; init; }

    /// <summary>K.</summary>
    public required long InFeatures { get; init; }

    /// <summary>W0, N×K.</summary>
    public required double[] Weight { get; init; }

    /// <summary>b, N elements; or null.</summary>
    public required double[]? Bias { get; init; }

    /// <summary>X, B×K.</summary>
    public required double[] X { get; init; }

    /// <summary>dY, B×N.</summary>
    public required double[] OutputGradient { get; init; }

    /// <summary>The trained tensors, in the update's order.</summary>
    public required double[][] Trained { get; init; }

    /// <summary>The frozen tensors that the update is given, in its order.</summary>
    public double[][] Stored { get; init; } = [];

    /// <summary>Normal activations and weights of the usual sizes; trained numbers random and never near zero, so that every term counts.</summary>
    public static LayerData Normal(WeightUpdate update, long tokens, DType dtype, bool bias, ulong seed = 1)
    {
        (long n, long k) = (update.OutFeatures, update.InFeatures);
        return new LayerData
        {
            Update = update,
            DType = dtype,
            Tokens = tokens,
            OutFeatures = n,
            InFeatures = k,
            Weight = SeededValues.Normal(n * k, seed, dtype, 1 / Math.Sqrt(k)),
            Bias = bias ? SeededValues.Normal(n, seed + 1, dtype) : null,
            X = SeededValues.Normal(tokens * k, seed + 2, dtype),
            OutputGradient = SeededValues.Normal(tokens * n, seed + 3, dtype),
            Trained = [.. update.Trained.Select((tensor, i) => SeededValues.AwayFromZero(tensor.Count, seed + 10 + (ulong)i, dtype.ParameterDType()))],
            Stored = [.. update.Stored.Select((tensor, i) => SeededValues.Normal(tensor.Count, seed + 40 + (ulong)i, tensor.DType))],
        };
    }

    /// <summary>
    /// Small integers whose every sum is exact: two numbers of each row of X and dY are ±1, the others zero, W0 and b are integers up to 2,
    /// trained numbers are ±1. With Rademacher factors and α a power of two, results must be equal to the reference in every bit.
    /// </summary>
    public static LayerData Integers(WeightUpdate update, long tokens, DType dtype, bool bias, ulong seed = 1)
    {
        (long n, long k) = (update.OutFeatures, update.InFeatures);
        return new LayerData
        {
            Update = update,
            DType = dtype,
            Tokens = tokens,
            OutFeatures = n,
            InFeatures = k,
            Weight = SeededValues.Integers(n * k, seed, 2),
            Bias = bias ? SeededValues.NonZeroIntegers(n, seed + 1, 2) : null,
            X = SparseSigns(tokens, k, seed + 2),
            OutputGradient = SparseSigns(tokens, n, seed + 4),
            Trained = [.. update.Trained.Select((tensor, i) => SeededValues.NonZeroIntegers(tensor.Count, seed + 10 + (ulong)i, 1))],
        };
    }

    private static double[] SparseSigns(long rows, long columns, ulong seed)
    {
        var values = new double[rows * columns];
        double[] signs = SeededValues.NonZeroIntegers(2 * rows, seed, 1);
        double[] places = SeededValues.Integers(2 * rows, seed + 1, 1 << 20);
        for (long row = 0; row < rows; row++)
        {
            for (int i = 0; i < 2; i++)
            {
                long column = (long)(places[(2 * row) + i] + (1 << 20)) % columns;
                values[(row * columns) + column] = signs[(2 * row) + i];
            }
        }

        return values;
    }
}
