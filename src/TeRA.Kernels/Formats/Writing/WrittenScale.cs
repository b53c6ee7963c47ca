using System.Globalization;

namespace TeRA.Kernels.Formats;

/// <summary>What files call alpha or scale, α times the rank, as a person wrote it.</summary>
internal static class WrittenScale
{
    private const int AllDigits = 17;

    /// <summary>The number of the fewest digits that gives α again when it is divided by the rank: 1 for the float nearest to 1/7 and rank 7.</summary>
    public static double Of(float alpha, long rank)
    {
        double exact = (double)alpha * rank;
        for (int digits = 1; digits < AllDigits; digits++)
        {
            double candidate = double.Parse(exact.ToString($"G{digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            if ((float)(candidate / rank) == alpha)
            {
                return candidate;
            }
        }

        return exact;
    }
}
