using System.Collections.Immutable;

namespace TeRA.Kernels.Verification;

/// <summary>
/// Holds a layer's results against the float64 reference. 16-bit dtypes in the FlashAttention manner: the largest error is at most 2 times
/// (activations, weights) or 3 times (gradients of trained numbers) that of the plain low-precision computation by the same path. float32 and float64 in the
/// BLAS manner: each error is below 16 units of roundoff of the sum of its terms' absolute values.
/// </summary>
internal static class LayerComparer
{
    /// <summary>The largest admitted error of activations and weights, in errors of the plain computation.</summary>
    public const double ActivationFactor = 2;

    /// <summary>The largest admitted error of gradients of trained numbers, in errors of the plain computation.</summary>
    public const double ParameterFactor = 3;

    /// <summary>The largest admitted error in units of roundoff·Σ|terms|, as in the reference BLAS testers.</summary>
    public const double BlasFactor = 16;

    /// <summary>The largest fraction of zeros of a reference that is believed to be right.</summary>
    public const double LargestZeroFraction = 0.7;

    /// <summary>Compares every quantity that <paramref name="actual"/> holds; empty ones are left out.</summary>
    /// <param name="data">The problem.</param>
    /// <param name="actual">Computed.</param>
    /// <param name="exact">Integer data: the threshold is zero.</param>
    public static ImmutableArray<QuantityError> Compare(LayerData data, LayerValues actual, bool exact = false)
    {
        LayerValues expected = DenseReference.Compute(data);
        Func<int, (double Yardstick, double Factor, double[] Scale)> bound = exact ? _ => (0, 0, [0]) : Bounds(data, expected, actual.Path == ExecutionPath.Factored);
        var errors = ImmutableArray.CreateBuilder<QuantityError>();
        int index = 0;
        foreach (((string name, QuantityKind _, double[] values), (_, _, double[] reference)) in
            actual.Quantities(data.Update).Zip(expected.Quantities(data.Update)))
        {
            int quantity = index++;
            if (values.Length == 0)
            {
                continue;
            }

            (double yardstick, double factor, double[] scale) = bound(quantity);
            bool zerosAreRight = ZerosAreRight(reference, data.Tokens, exact);
            Comparison comparison = Comparer.Within(name, values, reference, Array.ConvertAll(scale, unit => factor * unit), zerosAreRight);
            errors.Add(new QuantityError(name, comparison.MaxError, yardstick, exact ? comparison.MaxError : comparison.Ratio * factor, factor, comparison));
        }

        return errors.ToImmutable();
    }

    // Without tokens the gradients are zero by the formula. Ternary factors and integer data have zeros of their own: where the reference
    // shows them too, the other elements must still be enough to prove something.
    private static bool ZerosAreRight(double[] reference, long tokens, bool exact)
    {
        int zeros = reference.Count(value => value == 0);
        return tokens == 0 || (zeros < reference.Length && (exact || zeros <= LargestZeroFraction * reference.Length));
    }

    private static Func<int, (double Yardstick, double Factor, double[] Scale)> Bounds(LayerData data, LayerValues expected, bool factored) =>
        data.DType is DType.Float32 or DType.Float64 ? BlasBounds(data) : PlainBounds(data, expected, factored);

    private static Func<int, (double Yardstick, double Factor, double[] Scale)> BlasBounds(LayerData data)
    {
        double unit = data.DType.UnitRoundoff();
        double[][] scales = [.. DenseReference.Compute(data, Magnitude.Absolute).Quantities(data.Update).Select(q => Array.ConvertAll(q.Values, sum => unit * sum))];
        return i => (scales[i].DefaultIfEmpty().Max(), BlasFactor, scales[i]);
    }

    // The floor is twice the noise of one rounding of every term, as FlashAttention's absolute term is: a plain result that is right by luck
    // (a few elements, a power of two) does not tighten the bound below it. In arrays of more than some dozens of elements it has no effect.
    private static Func<int, (double Yardstick, double Factor, double[] Scale)> PlainBounds(LayerData data, LayerValues expected, bool factored)
    {
        (string Name, QuantityKind Kind, double[] Values)[] truth = [.. expected.Quantities(data.Update)];
        double[][] plain = [.. PlainReference.Compute(data, factored).Quantities(data.Update).Select(q => q.Values)];
        double[][] squares = [.. DenseReference.Compute(data, Magnitude.Square).Quantities(data.Update).Select(q => q.Values)];
        return i =>
        {
            double error = truth[i].Values.Zip(plain[i], (a, b) => Math.Abs(a - b)).DefaultIfEmpty().Max();
            double floor = 2 * data.DType.UnitRoundoff() * Math.Sqrt(squares[i].DefaultIfEmpty().Max());
            double yardstick = Math.Max(error, floor);
            return (yardstick, truth[i].Kind == QuantityKind.Parameter ? ParameterFactor : ActivationFactor, [yardstick]);
        };
    }
}
