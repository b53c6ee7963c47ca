using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>Properties of layers of any order, modes, ranks and tokens, on the CPU device.</summary>
internal sealed class LayerPropertyTests
{
    private static readonly Gen<long> Length = Gen.Choose(1, 5).Select(length => (long)length);

    /// <summary>Orders up to 4, lengths 1 to 5, ranks independent of the modes, every distribution, up to 40 tokens.</summary>
    private static Gen<(TeraUpdate Update, int Tokens)> Problems() =>
        from p in Gen.Choose(1, 3)
        from q in Gen.Choose(1, 4)
        from rows in Length.ArrayOf(p)
        from rowRanks in Length.ArrayOf(p)
        from columns in Length.ArrayOf(q)
        from columnRanks in Length.ArrayOf(q)
        from seed in Gen.Choose(0, 1000)
        from distribution in Gen.Elements(Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(0.25))
        from tokens in Gen.Choose(0, 40)
        select (new TeraUpdate([.. rows], [.. rowRanks], [.. columns], [.. columnRanks], (ulong)seed, distribution), tokens);

    [Test]
    public void Both_paths_give_one_layer() => Prop.ForAll(Problems().ToArbitrary(), problem =>
    {
        using LayerFixture merged = Create(problem, ExecutionPath.Merged), factored = Create(problem, ExecutionPath.Factored);
        bool same = Close(merged.Forward(), factored.Forward());
        (double[] dx, double[][] gradients) = merged.Backward();
        (double[] otherDx, double[][] otherGradients) = factored.Backward();
        return same && Close(dx, otherDx) && gradients.Zip(otherGradients).All(pair => Close(pair.First, pair.Second));
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Forward_is_additive_in_the_input() => Prop.ForAll(Problems().ToArbitrary(), problem =>
    {
        using LayerFixture layer = Create(problem, ExecutionPath.Factored);
        double[] x = LayerFixture.Read(layer.X), other = SeededValues.Normal(x.Length, 99, DType.Float64);
        double[] y = layer.Forward();
        LayerFixture.Write(layer.X, other);
        double[] otherY = layer.Forward();
        LayerFixture.Write(layer.X, [.. x.Zip(other, (a, b) => a + b)]);
        return Close(layer.Forward(), [.. y.Zip(otherY, (a, b) => a + b)]);
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Backward_is_the_transpose_of_forward() => Prop.ForAll(Problems().ToArbitrary(), problem =>
    {
        using LayerFixture layer = Create(problem, ExecutionPath.Merged);
        double forward = Dot(layer.Forward(), LayerFixture.Read(layer.OutputGradient));
        double backward = Dot(layer.Backward().InputGradient, LayerFixture.Read(layer.X));
        return Math.Abs(forward - backward) <= 1e-9 * (1 + Math.Abs(forward));
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Halves_of_a_batch_add_up_to_its_gradients() => Prop.ForAll(Problems().ToArbitrary(), problem =>
    {
        using LayerFixture whole = Create(problem, ExecutionPath.Auto), split = Create(problem, ExecutionPath.Auto);
        whole.Forward();
        double[][] gradients = whole.Backward().Gradients;
        long half = problem.Tokens / 2, n = problem.Update.OutFeatures, k = problem.Update.InFeatures;
        foreach ((long first, long count) in new[] { (0L, half), (half, problem.Tokens - half) })
        {
            Tensor x = split.X.Slice(first * k, count, k), dy = split.OutputGradient.Slice(first * n, count, n);
            split.Layer.Forward(x, split.Y.Slice(first * n, count, n), split.Context);
            split.Layer.Backward(split.Context, x, dy, null);
        }

        return gradients.Zip(split.Layer.Parameters).All(pair => Close(LayerFixture.Read(pair.Second.Gradient), pair.First));
    }).QuickCheckThrowOnFailure();

    private static LayerFixture Create((TeraUpdate Update, int Tokens) problem, ExecutionPath path) => new(
        CpuDevice.Shared,
        new LayerCase("tera", problem.Update, problem.Update.OutFeatures, problem.Update.InFeatures, new AdaptedLinearOptions { Path = path }, Bias: false),
        DType.Float64,
        problem.Tokens);

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static bool Close(double[] actual, double[] expected)
    {
        double bound = 1e-11 * (1 + expected.Select(Math.Abs).DefaultIfEmpty(0).Max());
        return actual.Length == expected.Length && actual.Zip(expected).All(pair => Math.Abs(pair.First - pair.Second) <= bound);
    }
}
