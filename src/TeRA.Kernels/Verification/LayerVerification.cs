using System.Collections.Immutable;

namespace TeRA.Kernels.Verification;

/// <summary>
/// Holds a device against the dense float64 reference: methods × sizes × dtypes × paths through <see cref="AdaptedLinear"/>,
/// forward, dX, ΔW, the merged weight and every gradient.
/// </summary>
internal static class LayerVerification
{
    private static readonly ExecutionPath[] Paths = [ExecutionPath.Merged, ExecutionPath.Factored];

    /// <summary>Runs the whole sweep, a row at a time as results come.</summary>
    /// <param name="device">What is verified.</param>
    /// <param name="large">Also the sizes of real layers.</param>
    /// <param name="cancellation">Ends the sweep between two problems.</param>
    public static IEnumerable<VerificationRow> Run(Device device, bool large = false, CancellationToken cancellation = default)
    {
        foreach (VerificationCase problem in Cases(device, large))
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (VerificationRow row in Run(device, problem))
            {
                yield return row;
            }
        }
    }

    /// <summary>Everything that <see cref="Run(Device, bool, CancellationToken)"/> would verify.</summary>
    public static IEnumerable<VerificationCase> Cases(Device device, bool large = false) =>
        Enum.GetValues<DType>().Where(device.Supports).SelectMany(dtype => Cases(dtype, LayerShapes.Quick).Concat(large ? Cases(dtype, LayerShapes.Large) : []));

    /// <summary>Every method over a list of shapes: TeRA in rounded and, where it fits, in integer arithmetic, and one of the others in turn.</summary>
    public static IEnumerable<VerificationCase> Cases(DType dtype, ImmutableArray<LayerShape> shapes)
    {
        Distribution[] distributions = [Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(0.375)];
        for (int i = 0; i < shapes.Length; i++)
        {
            (LayerShape shape, Distribution distribution, bool even) = (shapes[i], distributions[i % distributions.Length], i % 2 == 0);
            yield return new($"{shape}, {distribution}", shape.Tera(distribution), shape.Tokens, dtype, Bias: even, Exact: false);
            if (IntegerCase(shape, dtype) is { } integers)
            {
                yield return integers;
            }

            WeightUpdate other = OtherMethod(shape, dtype, i);
            yield return new($"B {shape.Tokens}, {other.OutFeatures} x {other.InFeatures}", other, shape.Tokens, dtype, Bias: !even, Exact: false);
        }
    }

    /// <summary>Verifies one problem on both paths.</summary>
    public static IEnumerable<VerificationRow> Run(Device device, VerificationCase problem) =>
        Run(device, problem, [.. Paths.Select(path => new AdaptedLinearOptions { Path = path })]);

    /// <summary>Verifies one problem with each of these options; the references are computed once.</summary>
    public static IEnumerable<VerificationRow> Run(Device device, VerificationCase problem, params AdaptedLinearOptions[] choices)
    {
        var truth = new LayerTruth(problem.Data(), problem.Exact);
        foreach (AdaptedLinearOptions options in choices)
        {
            LayerValues actual = LayerRunner.Run(device, truth.Data, options with { TrainBias = problem.Bias });
            foreach (QuantityError error in LayerComparer.Compare(truth, actual))
            {
                yield return new VerificationRow(
                    problem.Update.Method, problem.Name, problem.DType, options.Path, error.Name, error.Error, error.Yardstick, error.Ratio, error.Bound,
                    error.Passed, error.Comparison.Report);
            }
        }
    }

    /// <summary>
    /// The shape in integers with α = ½ and Rademacher factors, when every number that a device may store on the way is exact in the dtype:
    /// activations have two ±1 a row, so no partial sum exceeds 2·R·S, weights no more than 2 + R·S/2, and what becomes of dW no more than 4·B. With fewer than five tokens such
    /// sparse data may leave a gradient zero altogether, which would prove nothing.
    /// </summary>
    public static VerificationCase? IntegerCase(LayerShape shape, DType dtype)
    {
        const double Alpha = 0.5;
        TeraUpdate update = shape.TeraWithAlpha(Distribution.Rademacher, Alpha);
        double partialSum = (2.0 * update.Core.Rows * update.Core.Columns) + 8;
        bool exact = shape.Tokens is 0 or >= 5 && Math.Max(partialSum, 4.0 * shape.Tokens) <= 1 / dtype.UnitRoundoff() && shape.Tokens * partialSum * partialSum < 1 / dtype.ParameterDType().UnitRoundoff();
        return exact ? new($"{shape}, integers", update, shape.Tokens, dtype, Bias: true, Exact: true) : null;
    }

    private static WeightUpdate OtherMethod(LayerShape shape, DType dtype, int index)
    {
        (long n, long k) = (shape.OutFeatures, shape.InFeatures);
        return (index % 9) switch
        {
            0 => new LowRankUpdate(n, k, 1 + (index % 9)),
            1 => new LotrUpdate(n, k, 1 + (index % 7), seed: 7),
            2 => new FullUpdate(n, k),
            3 => new VeraUpdate(n, k, 1 + (index % 8), FrozenBases.Generated(8, Distribution.Uniform)),
            4 => new RandLoraUpdate(n, k, Portion(n, k, 3), RandLoraPairing.Paper, FrozenBases.Generated(9)),
            5 => new LotrUpdate(n, k, 1 + (index % 6), LotrSides.Trained, seed: 10),
            6 => new RandLoraUpdate(n, k, Portion(n, k, 2), RandLoraPairing.Peft, Given(n, k, Portion(n, k, 2), dtype)),
            7 => new VeraUpdate(n, k, 5, FrozenBases.Given(dtype.ParameterDType(), [5, k + 3], [n + 2, 5])),
            _ => new RandLoraUpdate(n, k, Portion(n, k, 4), RandLoraPairing.Peft, FrozenBases.Generated(11, RandLoraUpdate.Sparse)),
        };
    }

    // A rank that makes about this many bases, the last of which is not always full.
    private static long Portion(long n, long k, long bases) => Math.Max(1, (Math.Min(n, k) / bases) + 1);

    // Shared bases as files have them: for a larger layer, so that this one reads a part of each.
    private static FrozenBases Given(long n, long k, long rank, DType dtype)
    {
        long shorter = Math.Min(n, k);
        return FrozenBases.Given(dtype, [rank, 1, shorter + 2], [Math.Max(n, k) + 1, ((shorter - 1) / rank) + 2, rank]);
    }
}
