using System.Globalization;
using System.Text;

namespace TeRA.Kernels.Verification;

/// <summary>
/// Compares a computed array with a reference. NaN or infinity on one side only fails before anything else; a result with
/// more than 30 % zeros is refused as mistrusted, because a kernel that writes nothing would pass too.
/// </summary>
internal static class Comparer
{
    /// <summary>Largest fraction of zeros that a trusted result may have.</summary>
    public const double LargestZeroFraction = 0.3;

    private const int FewestElementsForTheFraction = 10;
    private const int ReportedElements = 10;

    /// <summary>Every element within <paramref name="bound"/>.</summary>
    public static Comparison Within(
        string quantity, ReadOnlySpan<double> actual, ReadOnlySpan<double> expected, double bound, bool zerosAreRight = false) =>
        Within(quantity, actual, expected, [bound], zerosAreRight);

    /// <summary>Element i within <paramref name="bounds"/>[i]; a single bound serves all elements.</summary>
    /// <param name="quantity">What is compared, for the report.</param>
    /// <param name="actual">Computed.</param>
    /// <param name="expected">Reference.</param>
    /// <param name="bounds">One, or one for each element; a NaN bound admits nothing.</param>
    /// <param name="zerosAreRight">Do not refuse a result of zeros: they are what the formula gives.</param>
    public static Comparison Within(
        string quantity, ReadOnlySpan<double> actual, ReadOnlySpan<double> expected, ReadOnlySpan<double> bounds, bool zerosAreRight = false)
    {
        if (actual.Length != expected.Length || (bounds.Length != 1 && bounds.Length != expected.Length))
        {
            return new Comparison(quantity, ComparisonStatus.Failed, double.NaN, double.NaN, -1,
                $"{quantity}: {actual.Length} elements, expected {expected.Length}, with {bounds.Length} bounds");
        }

        double maxError = 0, maxRatio = 0;
        long index = actual.Length == 0 ? -1 : 0;
        int zeros = 0, offending = 0;
        var listed = new StringBuilder();
        for (int i = 0; i < actual.Length; i++)
        {
            zeros += actual[i] == 0 ? 1 : 0;
            double bound = bounds[bounds.Length == 1 ? 0 : i];
            double error = Distance(actual[i], expected[i]);
            double ratio = error == 0 ? 0 : error / bound;
            maxError = Math.Max(maxError, error);
            if (!(ratio <= maxRatio))
            {
                maxRatio = double.IsNaN(ratio) ? double.PositiveInfinity : ratio;
                index = i;
            }

            if (!(error <= bound) && error != 0 && offending++ < ReportedElements)
            {
                listed.Append(CultureInfo.InvariantCulture, $"\n  [{i}] {actual[i]:R}, expected {expected[i]:R}, error {error:E2}, bound {bound:E2}");
            }
        }

        ComparisonStatus status = offending > 0 ? ComparisonStatus.Failed
            : !zerosAreRight && Mistrusted(zeros, actual.Length) ? ComparisonStatus.Mistrusted
            : ComparisonStatus.Passed;
        string summary = string.Create(CultureInfo.InvariantCulture,
            $"{quantity}: {status}, largest error {maxError:E2}, {maxRatio:F2} of the bound at [{index}], {offending} of {actual.Length} elements out of bounds, {zeros} zeros");
        return new Comparison(quantity, status, maxError, maxRatio, index, summary + listed);
    }

    /// <summary>Every element equal in value: the threshold of integer-exact cases is zero.</summary>
    public static Comparison Exact(string quantity, ReadOnlySpan<double> actual, ReadOnlySpan<double> expected, bool zerosAreRight = false) =>
        Within(quantity, actual, expected, 0, zerosAreRight);

    /// <summary>Equal in every bit: repeats of one computation.</summary>
    public static Comparison SameBits(string quantity, ReadOnlySpan<byte> actual, ReadOnlySpan<byte> expected)
    {
        int common = actual.CommonPrefixLength(expected);
        return common == actual.Length && common == expected.Length
            ? new Comparison(quantity, ComparisonStatus.Passed, 0, 0, -1, $"{quantity}: {common} bytes equal")
            : new Comparison(quantity, ComparisonStatus.Failed, double.NaN, double.PositiveInfinity, common,
                $"{quantity}: the bytes differ first at byte {common} of {actual.Length} and {expected.Length}");
    }

    private static bool Mistrusted(int zeros, int count) =>
        count > 0 && (zeros == count || (count >= FewestElementsForTheFraction && zeros > LargestZeroFraction * count));

    private static double Distance(double actual, double expected)
    {
        bool bothNaN = double.IsNaN(actual) && double.IsNaN(expected);
        if (bothNaN || actual == expected)
        {
            return 0;
        }

        return double.IsFinite(actual) && double.IsFinite(expected) ? Math.Abs(actual - expected) : double.PositiveInfinity;
    }
}
