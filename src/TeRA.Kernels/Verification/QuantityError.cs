namespace TeRA.Kernels.Verification;

/// <summary>The error of one result of a layer against the float64 reference.</summary>
/// <param name="Name">y, dx, grad:tera_row.0 …</param>
/// <param name="Error">Largest absolute error.</param>
/// <param name="Yardstick">The error that the ratio is measured in, where it is largest: of the plain computation, or roundoff·Σ|terms|.</param>
/// <param name="Ratio">Largest error / yardstick.</param>
/// <param name="Bound">Largest admitted ratio.</param>
/// <param name="Comparison">The comparison with its report.</param>
internal sealed record QuantityError(string Name, double Error, double Yardstick, double Ratio, double Bound, Comparison Comparison)
{
    /// <summary>Whether the ratio is within the bound and the result is worth something.</summary>
    public bool Passed => Comparison.Passed;
}
