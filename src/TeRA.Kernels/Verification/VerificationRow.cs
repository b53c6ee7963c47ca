namespace TeRA.Kernels.Verification;

/// <summary>One line of <c>tera check</c>: the error of one result of one problem on one device.</summary>
/// <param name="Method">tera, lora …</param>
/// <param name="Case">Sizes and distribution.</param>
/// <param name="DType">Of the activations.</param>
/// <param name="Path">Merged or factored.</param>
/// <param name="Quantity">y, dx, delta, merged, grad:….</param>
/// <param name="Error">Largest absolute error against float64.</param>
/// <param name="Yardstick">What the error is measured in.</param>
/// <param name="Ratio">Error / yardstick.</param>
/// <param name="Bound">Largest admitted ratio; 0 for integer data, where the ratio is the error itself.</param>
/// <param name="Passed">Whether it is within the bound.</param>
/// <param name="Report">The comparison in words.</param>
internal sealed record VerificationRow(
    string Method, string Case, DType DType, ExecutionPath Path, string Quantity,
    double Error, double Yardstick, double Ratio, double Bound, bool Passed, string Report);
