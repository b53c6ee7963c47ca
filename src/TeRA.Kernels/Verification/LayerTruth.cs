namespace TeRA.Kernels.Verification;

/// <summary>The references of one problem, each computed once however many results are held against them.</summary>
/// <param name="data">The problem.</param>
/// <param name="exact">Integer data: the threshold is zero.</param>
internal sealed class LayerTruth(LayerData data, bool exact)
{
    private readonly Lazy<(string Name, QuantityKind Kind, double[] Values)[]> expected = new(() => Quantities(data, DenseReference.Compute(data)));
    private readonly QuantityBound[]?[] bounds = new QuantityBound[]?[2];
    private double[][]? squares;

    /// <summary>The problem.</summary>
    public LayerData Data => data;

    /// <summary>Whether results must be equal to the reference.</summary>
    public bool Exact => exact;

    /// <summary>The bounds of all quantities, in the order of <see cref="LayerValues.Quantities"/>.</summary>
    /// <param name="factored">Of a Y by the factored path: the plain computation takes the same path.</param>
    /// <param name="backwardFactored">The same for dX.</param>
    public QuantityBound[] Bounds(bool factored, bool backwardFactored)
    {
        QuantityBound[] forward = Bounds(factored), backward = Bounds(backwardFactored);
        return [.. expected.Value.Select((quantity, i) => quantity.Name == LayerValues.InputGradientName ? backward[i] : forward[i])];
    }

    private QuantityBound[] Bounds(bool factored)
    {
        bool pathMatters = !exact && data.DType is DType.BFloat16 or DType.Float16;
        int index = pathMatters && factored ? 1 : 0;
        return bounds[index] ??= exact ? ExactBounds()
            : data.DType is DType.BFloat16 or DType.Float16 ? PlainBounds(factored)
            : BlasBounds();
    }

    private static (string Name, QuantityKind Kind, double[] Values)[] Quantities(LayerData data, LayerValues values) => [.. values.Quantities(data.Update)];

    private static double[][] Magnitudes(LayerData data, Magnitude magnitude) =>
        [.. Quantities(data, DenseReference.Compute(data, magnitude)).Select(quantity => quantity.Values)];

    private QuantityBound[] ExactBounds() => [.. expected.Value.Select(quantity => new QuantityBound(quantity.Values, 0, [0]))];

    private QuantityBound[] BlasBounds()
    {
        double unit = data.DType.UnitRoundoff();
        double[][] absolutes = Magnitudes(data, Magnitude.Absolute);
        return [.. expected.Value.Select((quantity, i) =>
            new QuantityBound(quantity.Values, LayerComparer.BlasFactor, Array.ConvertAll(absolutes[i], sum => unit * sum)))];
    }

    // The floor is twice the noise of one rounding of every term, as FlashAttention's absolute term is: a plain result that is right by luck
    // (a few elements, a power of two) does not tighten the bound below it. In arrays of more than some dozens of elements it has no effect.
    private QuantityBound[] PlainBounds(bool factored)
    {
        (string Name, QuantityKind Kind, double[] Values)[] plain = Quantities(data, PlainReference.Compute(data, factored));
        squares ??= Magnitudes(data, Magnitude.Square);
        return [.. expected.Value.Select((quantity, i) =>
        {
            double error = quantity.Values.Zip(plain[i].Values, (a, b) => Math.Abs(a - b)).DefaultIfEmpty().Max();
            double floor = 2 * data.DType.UnitRoundoff() * Math.Sqrt(squares[i].DefaultIfEmpty().Max());
            double factor = quantity.Kind == QuantityKind.Parameter ? LayerComparer.ParameterFactor : LayerComparer.ActivationFactor;
            return new QuantityBound(quantity.Values, factor, [Math.Max(error, floor)]);
        })];
    }
}
