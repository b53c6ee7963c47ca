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
    public static ImmutableArray<QuantityError> Compare(LayerData data, LayerValues actual, bool exact = false) =>
        Compare(new LayerTruth(data, exact), actual);

    /// <summary>Compares every quantity that <paramref name="actual"/> holds with references that several results share.</summary>
    public static ImmutableArray<QuantityError> Compare(LayerTruth truth, LayerValues actual)
    {
        QuantityBound[] bounds = truth.Bounds(actual.Path == ExecutionPath.Factored, (actual.BackwardPath ?? actual.Path) == ExecutionPath.Factored);
        var errors = ImmutableArray.CreateBuilder<QuantityError>();
        foreach (((string name, _, double[] values), QuantityBound bound) in actual.Quantities(truth.Data.Update).Zip(bounds))
        {
            if (values.Length == 0)
            {
                continue;
            }

            bool zerosAreRight = ZerosAreRight(bound.Expected, truth.Data.Tokens, truth.Exact);
            double[] largest = Array.ConvertAll(bound.Scale, unit => bound.Factor * unit);
            Comparison comparison = Comparer.Within(name, values, bound.Expected, largest, zerosAreRight);
            double ratio = truth.Exact ? comparison.MaxError : comparison.Ratio * bound.Factor;
            errors.Add(new QuantityError(name, comparison.MaxError, bound.Scale.DefaultIfEmpty().Max(), ratio, bound.Factor, comparison));
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
}
