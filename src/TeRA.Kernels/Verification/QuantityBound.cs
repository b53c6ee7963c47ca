namespace TeRA.Kernels.Verification;

/// <summary>What one result of a layer must be, and how far from it a computed one may be: <paramref name="Factor"/> · <paramref name="Scale"/>.</summary>
/// <param name="Expected">The truth.</param>
/// <param name="Factor">The largest admitted ratio.</param>
/// <param name="Scale">The yardstick: one for all elements, or one for each.</param>
internal sealed record QuantityBound(double[] Expected, double Factor, double[] Scale);
