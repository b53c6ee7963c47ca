using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>What every device's layers must do. The numbers' accuracy against the reference is tested elsewhere; here it is behaviour.</summary>
internal abstract class AdaptedLinearContract
{
    private static readonly AdaptedLinearOptions Merged = new() { Path = ExecutionPath.Merged }, Factored = new() { Path = ExecutionPath.Factored };

    protected abstract Device Device { get; }

    /// <summary>The library's own methods; a test's update starts as the test wants it.</summary>
    public static IEnumerable<LayerCase> Methods => LayerCase.All().Where(problem => problem.Update is not AnyUpdate);

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.Updates))]
    public void Both_paths_agree_within_rounding((string Name, WeightUpdate? Update, long N, long K) update)
    {
        foreach (long tokens in new long[] { 1, 2, 3, 17 })
        {
            using var merged = new LayerFixture(Device, new LayerCase(update.Name, update.Update, update.N, update.K, Merged, true), DType.Float32, tokens);
            using var factored = new LayerFixture(Device, new LayerCase(update.Name, update.Update, update.N, update.K, Factored, true), DType.Float32, tokens);
            Close("y", merged.Forward(), factored.Forward());
            (double[] dx, double[][] gradients) = merged.Backward();
            (double[] otherDx, double[][] otherGradients) = factored.Backward();
            Close("dX", dx, otherDx);
            for (int i = 0; i < gradients.Length; i++)
            {
                Close(merged.Layer.Parameters[i].Name, gradients[i], otherGradients[i]);
            }
        }
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.Updates))]
    public void Merging_gives_the_plain_layer_with_the_same_output((string Name, WeightUpdate? Update, long N, long K) update)
    {
        using var adapted = new LayerFixture(Device, new LayerCase(update.Name, update.Update, update.N, update.K, Factored, true), DType.Float32, 5);
        Tensor weight = adapted.NaN(update.N, update.K), delta = adapted.NaN(update.N, update.K), y = adapted.NaN(5, update.N);
        adapted.Layer.Merge(weight);
        adapted.Layer.MaterializeDelta(delta);
        double[] sum = [.. LayerFixture.Read(adapted.Weight).Zip(LayerFixture.Read(delta), (w, change) => w + change)];
        Close("W0 + α·ΔW", LayerFixture.Read(weight), sum);
        using var plain = new AdaptedLinear(Device, weight, adapted.Bias, update: null);
        plain.Forward(adapted.X, y);
        Close("y", adapted.Forward(), LayerFixture.Read(y));
    }

    [TestCaseSource(nameof(Methods))]
    public void A_fresh_layer_is_the_frozen_layer(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 4);
        using var fresh = new AdaptedLinear(Device, fixture.Weight, fixture.Bias, problem.Update, problem.Options);
        using var frozen = new AdaptedLinear(Device, fixture.Weight, fixture.Bias, update: null);
        Tensor expected = fixture.NaN(4, problem.OutFeatures);
        fresh.Forward(fixture.X, fixture.Y);
        frozen.Forward(fixture.X, expected);
        Assert.That(LayerFixture.Read(fixture.Y), Is.EqualTo(LayerFixture.Read(expected)));
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void Gradients_accumulate_and_dX_overwrites(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 3);
        fixture.Forward();
        (double[] dx, double[][] once) = fixture.Backward();
        (double[] dxAgain, double[][] twice) = fixture.Backward();
        Assert.That(dxAgain, Is.EqualTo(dx));
        for (int i = 0; i < once.Length; i++)
        {
            Close(fixture.Layer.Parameters[i].Name, twice[i], [.. once[i].Select(value => 2 * value)]);
        }

        fixture.Layer.ZeroGradients();
        Assert.That(fixture.Layer.Parameters.SelectMany(parameter => LayerFixture.Read(parameter.Gradient)), Is.All.Zero);
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void Without_dX_the_parameters_gradients_are_the_same_bits(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 3);
        fixture.Forward();
        double[][] with = fixture.Backward().Gradients;
        fixture.Layer.ZeroGradients();
        fixture.Layer.Backward(fixture.Context, fixture.X, fixture.OutputGradient, null);
        Assert.That(fixture.Layer.Parameters.Select(parameter => LayerFixture.Read(parameter.Gradient)), Is.EqualTo(with));
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void DX_against_what_the_context_said_is_right(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float32, tokens: 3);
        fixture.Forward();
        (double[] expected, double[][] expectedGradients) = fixture.Backward();
        fixture.Layer.ZeroGradients();
        using var context = new LayerContext { InputGradient = false };
        fixture.Layer.Forward(fixture.X, fixture.Y, context);
        fixture.Layer.Backward(context, fixture.X, fixture.OutputGradient, fixture.InputGradient);
        Close("dX", LayerFixture.Read(fixture.InputGradient), expected);
        foreach ((Parameter parameter, double[] gradient) in fixture.Layer.Parameters.Zip(expectedGradients))
        {
            Close(parameter.Name, LayerFixture.Read(parameter.Gradient), gradient);
        }
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void No_tokens_change_nothing(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 0);
        fixture.Forward();
        Assert.That(fixture.Backward().Gradients.SelectMany(gradient => gradient), Is.All.Zero);
    }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void Repeats_are_equal_in_every_bit(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.BFloat16, 5);
        double[] y = fixture.Forward();
        (double[] dx, double[][] gradients) = fixture.Backward();
        for (int repeat = 0; repeat < 10; repeat++)
        {
            fixture.Layer.ZeroGradients();
            Assert.That(fixture.Forward(), Is.EqualTo(y));
            (double[] dxAgain, double[][] gradientsAgain) = fixture.Backward();
            Assert.That(dxAgain, Is.EqualTo(dx));
            Assert.That(gradientsAgain, Is.EqualTo(gradients));
        }
    }

    [TestCase(DType.BFloat16, 0.05)]
    [TestCase(DType.Float16, 0.01)]
    public void Sixteen_bit_layers_are_near_the_float32_layer(DType dtype, double tolerance)
    {
        foreach (LayerCase problem in LayerCase.All().Where(problem => problem.Update is not null))
        {
            using var half = new LayerFixture(Device, problem, dtype, 6);
            using var single = new LayerFixture(Device, problem, DType.Float32, 6);
            LayerFixture.Write(single.Weight, LayerFixture.Read(half.Weight));
            LayerFixture.Write(single.X, LayerFixture.Read(half.X));
            LayerFixture.Write(single.OutputGradient, LayerFixture.Read(half.OutputGradient));
            if (half.Bias is { } bias)
            {
                LayerFixture.Write(single.Bias!, LayerFixture.Read(bias));
            }

            Near($"{problem} y", half.Forward(), single.Forward(), tolerance);
            (double[] dx, double[][] gradients) = half.Backward();
            (double[] expectedDx, double[][] expected) = single.Backward();
            Near($"{problem} dX", dx, expectedDx, tolerance);
            for (int i = 0; i < gradients.Length; i++)
            {
                Near($"{problem} {half.Layer.Parameters[i].Name}", gradients[i], expected[i], tolerance);
            }
        }
    }

    [Test]
    public void Output_is_linear_in_the_input([Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path)
    {
        var problem = new LayerCase("tera", new TeraUpdate([2, 3], [2, 2], [5], [3]), 6, 5, new AdaptedLinearOptions { Path = path }, false);
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 4);
        double[] x = LayerFixture.Read(fixture.X), first = fixture.Forward();
        LayerFixture.Write(fixture.X, [.. x.Select(value => -4 * value)]);
        Assert.That(fixture.Forward(), Is.EqualTo(first.Select(value => -4 * value)), "a factor of a power of two is exact");
    }

    [Test]
    public void Delta_is_linear_in_each_trained_vector([Range(0, 2)] int parameter)
    {
        var problem = new LayerCase("tera", new TeraUpdate([2, 3], [2, 2], [5], [3]), 6, 5, Merged, false);
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 1);
        Tensor delta = fixture.NaN(6, 5), value = fixture.Layer.Parameters[parameter].Value;
        fixture.Layer.MaterializeDelta(delta);
        double[] before = LayerFixture.Read(delta);
        LayerFixture.Write(value, [.. LayerFixture.Read(value).Select(number => 8 * number)]);
        fixture.Layer.MaterializeDelta(delta);
        Assert.That(LayerFixture.Read(delta), Is.EqualTo(before.Select(number => 8 * number)));
    }

    [Test]
    public void Rows_are_independent_of_each_other()
    {
        var problem = new LayerCase("tera", new TeraUpdate([2, 3], [2, 2], [5], [3]), 6, 5, Factored, true);
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 4);
        double[] all = fixture.Forward();
        Tensor row = fixture.NaN(1, 6);
        for (int i = 0; i < 4; i++)
        {
            fixture.Layer.Forward(fixture.X.Slice(i * 5, 1, 5), row);
            Close($"row {i}", LayerFixture.Read(row), all[(i * 6)..((i + 1) * 6)]);
        }
    }

    [Test]
    public void Leading_dimensions_are_flattened()
    {
        var problem = new LayerCase("lora", new LowRankUpdate(6, 5, 2), 6, 5, Merged, true);
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 4);
        double[] flat = fixture.Forward();
        Tensor y = fixture.NaN(2, 1, 2, 6);
        fixture.Layer.Forward(fixture.X.Slice(0, 2, 2, 5), y);
        Assert.That(LayerFixture.Read(y), Is.EqualTo(flat));
    }

    [Test]
    public void Memory_of_others_is_used_in_place()
    {
        var problem = new LayerCase("lora", new LowRankUpdate(6, 5, 2), 6, 5, Merged, true);
        using var fixture = new LayerFixture(Device, problem, DType.Float32, 4);
        double[] expected = fixture.Forward();
        Tensor y = fixture.NaN(4, 6);
        fixture.Layer.Forward(Device.View(fixture.X.Address, DType.Float32, 4, 5), Device.View(y.Address, DType.Float32, 4, 6));
        Assert.That(LayerFixture.Read(y), Is.EqualTo(expected));
    }

    [Test]
    public void Two_layers_share_scratch_and_not_results()
    {
        var big = new LayerCase("big", new TeraUpdate([5, 4], [3, 4], [6], [6]), 20, 6, Merged, false);
        var small = new LayerCase("small", new TeraUpdate([2], [2], [3], [2]), 2, 3, Merged, false);
        using var first = new LayerFixture(Device, big, DType.Float32, 3);
        using var second = new LayerFixture(Device, small, DType.Float32, 3);
        first.Forward();
        (double[] dx, double[][] gradients) = first.Backward();
        second.Forward();
        first.Layer.ZeroGradients();
        first.Forward();
        second.Forward();
        second.Backward();
        (double[] dxAgain, double[][] gradientsAgain) = first.Backward();
        Assert.That(dxAgain, Is.EqualTo(dx));
        Assert.That(gradientsAgain, Is.EqualTo(gradients));
    }

    [Test]
    public void One_context_serves_changing_shapes()
    {
        var problem = new LayerCase("tera", new TeraUpdate([2, 3], [2, 2], [5], [3]), 6, 5, new AdaptedLinearOptions { Path = ExecutionPath.Factored, Contractions = ContractionPolicy.Keep }, false);
        using var small = new LayerFixture(Device, problem, DType.Float32, 2);
        small.Forward();
        double[] expected = small.Backward().InputGradient;
        Tensor x = small.Normal(9, 1, 40, 5), y = small.NaN(40, 6);
        small.Layer.Forward(x, y, small.Context);
        Assert.That(small.Context.ByteCount, Is.GreaterThanOrEqualTo(40 * 3 * sizeof(float)));
        small.Forward();
        Assert.That(small.Backward().InputGradient, Is.EqualTo(expected));
    }

    protected static void Close(string quantity, double[] actual, double[] expected)
    {
        double scale = expected.Concat(actual).Select(Math.Abs).DefaultIfEmpty(0).Max();
        Check.That(Comparer.Within(quantity, actual, expected, 64 * DType.Float32.UnitRoundoff() * Math.Max(scale, 1e-30)));
    }

    private static void Near(string quantity, double[] actual, double[] expected, double tolerance)
    {
        double scale = Math.Sqrt(expected.Average(value => value * value));
        double error = Math.Sqrt(actual.Zip(expected, (a, e) => (a - e) * (a - e)).Average());
        Assert.That(error, Is.LessThanOrEqualTo(tolerance * scale), quantity);
    }
}

/// <summary>On the interpreter: a wrong plan fails here too, a wrong kernel does not.</summary>
[TestFixture]
internal sealed class NaiveAdaptedLinearTests : AdaptedLinearContract
{
    private static readonly NaiveDevice Interpreter = new();

    protected override Device Device => Interpreter;
}
