namespace TeRA.Kernels.Verification;

/// <summary>The outcome of a comparison.</summary>
internal enum ComparisonStatus
{
    /// <summary>Within the bound.</summary>
    Passed,

    /// <summary>Out of the bound, or NaN or infinite where the reference is not (or the other way round).</summary>
    Failed,

    /// <summary>Within the bound, but with so many zeros that it proves nothing.</summary>
    Mistrusted,
}

/// <summary>What a comparison of two arrays found.</summary>
/// <param name="Quantity">What was compared.</param>
/// <param name="Status">The outcome.</param>
/// <param name="MaxError">Largest |actual − expected|.</param>
/// <param name="Ratio">Largest |actual − expected| / bound: at most 1 when passed.</param>
/// <param name="Index">Where the ratio is largest; −1 for empty arrays.</param>
/// <param name="Report">For people: the first ten offending elements, or a summary.</param>
internal sealed record Comparison(string Quantity, ComparisonStatus Status, double MaxError, double Ratio, long Index, string Report)
{
    /// <summary>Whether the arrays agree and the case is worth something.</summary>
    public bool Passed => Status == ComparisonStatus.Passed;
}
