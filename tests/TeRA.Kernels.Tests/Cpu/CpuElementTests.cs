using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Cpu;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>Element-wise steps, vectors and their marginals on the CPU device.</summary>
[TestFixture]
internal sealed class CpuElementTests
{
    private static readonly DType[] DTypes = [DType.Float32, DType.Float64, DType.BFloat16, DType.Float16];
    private static readonly int[] Counts = [0, 1, 3, 8, 17, 4096, 9001];
    private static readonly double[] Special =
    [
        0, -0.0, 1, -1, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 65504, 65519.99, 65520, 1e-8, 3e-8, 6e-8, 6.1e-5, -1e-7,
        1.00390625, 1.01171875, 3.4e38, 3.5e38, 1e300, 1e-45, 2049, 2051, 1.00390625 + 1e-12, 1.00390625 - 1e-12, 1.00048828125 + 1e-14, 5e-324,
    ];

    [Test]
    public void Conversion_rounds_once_between_all_dtypes([ValueSource(nameof(DTypes))] DType from, [ValueSource(nameof(DTypes))] DType to)
    {
        foreach (int count in Counts)
        {
            double[] values = [.. Special.Concat(CpuCase.Values(count, 5)).Concat(CpuCase.Values(count, 6).Select(x => x * 1e-6)).Take(count)];
            using var run = new StepRunner(CpuCase.Devices[1]);
            Operand input = run.Input("input", from, values), output = run.Output("output", to, count);
            run.Run(new ConvertStep(input, output, count) { Label = "convert" });
            double[] exact = run.Read(input), actual = run.Read(output);
            for (int i = 0; i < count; i++)
            {
                Assert.That(actual[i], Is.EqualTo(Nearest(exact[i], to)), $"{exact[i]:R} from {from} to {to}");
            }
        }
    }

    [Test]
    public void Scaled_add_is_right_also_in_place([ValueSource(nameof(DTypes))] DType dtype, [Values] bool inPlace, [Values] bool wideB)
    {
        foreach (int count in Counts)
        {
            CpuCase.Run(
                run =>
                {
                    double[] values = CpuCase.Values(count, 1);
                    Operand a = inPlace ? run.InOut("A", dtype, values) : run.Input("A", dtype, values);
                    Operand output = inPlace ? a : run.Output("output", dtype, count);
                    Operand b = run.Input("B", wideB ? dtype.ParameterDType() : dtype, CpuCase.Values(count, 2));
                    return (new ScaledAddStep(a, b, output, count) { Label = "scaled add", Alpha = -0.3 }, [output]);
                },
                terms: 3);
        }
    }

    [Test]
    public void Column_sums_are_added_to_the_output([ValueSource(nameof(DTypes))] DType dtype, [Values] bool exact)
    {
        var shapes =
            from rows in Gen.Elements(0, 1, 2, 7, 127, 128, 129, 300)
            from columns in Gen.Elements(0, 1, 3, 31, 128, 129, 260)
            select (rows, columns);
        Prop.ForAll(shapes.ToArbitrary(), shape => CpuCase.Run(
            run =>
            {
                Operand sums = run.InOut("sums", dtype.ParameterDType(), CpuCase.Values(shape.columns, 1, exact));
                Operand input = run.Input("input", dtype, CpuCase.Values((long)shape.rows * shape.columns, 2, exact));
                return (new ColumnSumStep(input, sums, shape.rows, shape.columns) { Label = "column sum" }, [sums]);
            },
            exact ? 0 : 132)).Check(Config.QuickThrowOnFailure.WithMaxTest(20));
    }

    [Test]
    public void A_filled_factor_is_the_factor_scaled_and_rounded_once([ValueSource(nameof(DTypes))] DType dtype)
    {
        foreach ((int r, int s) in new[] { (0, 5), (1, 1), (3, 7), (70, 130) })
        {
            foreach (double scale in new[] { 1, 0.5, 0.3 })
            {
                var core = new CoreSource(new RandomSource(3, Distribution.Normal), 5, r, s);
                using var run = new StepRunner(CpuCase.Devices[2]);
                Operand output = run.Output("output", dtype, (long)r * s);
                run.Run(new FillRandomStep(output, core) { Label = "fill", Scale = scale });
                var factor = new float[r * s];
                RandomFactor.Fill(factor, core.Source, core.Stream);
                Assert.That(run.Read(output), Is.EqualTo(factor.Select(x => Nearest(x * (float)scale, dtype))));
            }
        }
    }

    [Test]
    public void Activations_and_their_gradients_are_right([Values] ActivationKind kind, [ValueSource(nameof(DTypes))] DType dtype, [Values] bool inPlace)
    {
        // In float64 the error is the reference's own: its Φ of negative numbers is a difference.
        double terms = dtype == DType.Float64 ? 64 : 8;
        foreach (int count in Counts)
        {
            double[] x = [.. CpuCase.Values(count, 1).Select(value => 4 * value)];
            CpuCase.Run(
                run =>
                {
                    Operand output = run.Output("output", dtype, count);
                    return (new ActivationStep(kind, run.Input("x", dtype, x), output, count) { Label = kind.ToString() }, [output]);
                },
                terms,
                magnitudes: false,
                floor: 1);
            CpuCase.Run(
                run =>
                {
                    double[] dy = CpuCase.Values(count, 2);
                    Operand gradient = inPlace ? run.InOut("dy", dtype, dy) : run.Input("dy", dtype, dy);
                    Operand result = inPlace ? gradient : run.Output("dx", dtype, count);
                    return (new ActivationGradientStep(kind, run.Input("x", dtype, x), gradient, result, count) { Label = $"{kind} gradient" }, [result]);
                },
                terms,
                magnitudes: false,
                floor: 1);
        }
    }

    [Test]
    public void Relu_keeps_NaN_and_is_flat_at_zero()
    {
        double[] x = [double.NaN, -1, 0, 2, double.NegativeInfinity, double.PositiveInfinity, double.NaN, -3, 5, 0];
        foreach (DType dtype in DTypes)
        {
            using var run = new StepRunner(CpuCase.Devices[0]);
            Operand input = run.Input("x", dtype, x), y = run.Output("y", dtype, 10), ones = run.Input("dy", dtype, [.. Enumerable.Repeat(1.0, 10)]);
            run.Run(new ActivationStep(ActivationKind.Relu, input, y, 10) { Label = "relu" });
            Assert.That(run.Read(y), Is.EqualTo(new[] { double.NaN, 0, 0, 2, 0, double.PositiveInfinity, double.NaN, 0, 5, 0 }));
            run.Run(new ActivationGradientStep(ActivationKind.Relu, input, ones, y, 10) { Label = "relu gradient" });
            Assert.That(run.Read(y), Is.EqualTo(new[] { double.NaN, 0, 0, 1, 0, 1, double.NaN, 0, 1, 0 }));
        }
    }

    [Test]
    public void The_error_function_agrees_with_published_values()
    {
        // Abramowitz and Stegun, table 7.1, and NIST DLMF 7.2 evaluated to 20 digits.
        (double X, double Erf, double Erfc)[] values =
        [
            (0, 0, 1), (0.1, 0.11246291601828489220, 0.88753708398171510780), (0.5, 0.52049987781304653768, 0.47950012218695346232),
            (1, 0.84270079294971486934, 0.15729920705028513066), (2, 0.99532226501895273416, 0.0046777349810472658379),
            (3, 0.99997790950300141456, 2.2090496998585441373e-05), (5, 0.99999999999846254021, 1.5374597944280348502e-12), (10, 1, 2.0884875837625447570e-45),
        ];
        foreach ((double x, double erf, double erfc) in values)
        {
            Assert.That(ErrorFunction.Erf(x), Is.EqualTo(erf).Within(2).Ulps);
            Assert.That(ErrorFunction.Erf(-x), Is.EqualTo(-erf).Within(2).Ulps);
            Assert.That(ErrorFunction.Erfc(x), Is.EqualTo(erfc).Within(4).Ulps);
            Assert.That(ErrorFunction.Erfc(-x), Is.EqualTo(1 + erf).Within(2).Ulps);
        }

        Assert.That(ErrorFunction.Erf(double.NaN), Is.NaN);
        Assert.That(ErrorFunction.Erfc(double.NaN), Is.NaN);
        Assert.That(ErrorFunction.Erf(double.PositiveInfinity), Is.EqualTo(1));
        Assert.That(ErrorFunction.Erfc(double.NegativeInfinity), Is.EqualTo(2));
    }

    [Test]
    public void Gelu_of_float32_is_the_nearest_number_or_its_neighbour()
    {
        const int Count = 40_001;
        double[] x = [.. Enumerable.Range(0, Count).Select(i => (double)(float)((i - 20_000) * 0.0007))];
        using var run = new StepRunner(CpuCase.Devices[1]);
        Operand input = run.Input("x", DType.Float32, x), y = run.Output("y", DType.Float32, Count), dx = run.Output("dx", DType.Float32, Count);
        Operand ones = run.Input("dy", DType.Float32, [.. Enumerable.Repeat(1.0, Count)]);
        run.Run(new ActivationStep(ActivationKind.Gelu, input, y, Count) { Label = "gelu" });
        run.Run(new ActivationGradientStep(ActivationKind.Gelu, input, ones, dx, Count) { Label = "gelu gradient" });
        double[] values = run.Read(y), slopes = run.Read(dx);
        for (int i = 0; i < Count; i++)
        {
            double cumulative = ErrorFunction.Normal(x[i]), density = ErrorFunction.Density(x[i]);
            Assert.That((float)values[i], Is.EqualTo((float)(x[i] * cumulative)).Within(1).Ulps, $"gelu({x[i]})");
            // The slope's two terms cancel for negative x, so its error is one of the terms.
            Assert.That(slopes[i], Is.EqualTo(cumulative + (x[i] * density)).Within(1e-9 * (cumulative + Math.Abs(x[i] * density)) + (6e-8 * Math.Abs(slopes[i])) + 1e-45));
        }

        double[] special = [double.PositiveInfinity, double.NegativeInfinity, double.NaN, 0, 100, -100];
        Operand odd = run.Input("special", DType.Float32, special), result = run.Output("result", DType.Float32, 6);
        run.Run(new ActivationStep(ActivationKind.Gelu, odd, result, 6) { Label = "gelu" });
        Assert.That(run.Read(result), Is.EqualTo(new[] { double.PositiveInfinity, double.NaN, double.NaN, 0, 100, 0 }));
    }

    [Test]
    public void Outer_products_and_their_marginals_are_right([Values(DType.Float32, DType.Float64)] DType dtype, [Values] bool exact)
    {
        var problems =
            from count in Gen.Choose(1, 4)
            from lengths in Gen.ArrayOf(Gen.Elements(1, 2, 3, 5, 8, 11, 0), count)
            select lengths;
        Prop.ForAll(problems.ToArbitrary(), lengths => Vectors(lengths, dtype, exact)).Check(Config.QuickThrowOnFailure.WithMaxTest(40));
        Vectors([70, 150], dtype, exact);
    }

    private static void Vectors(int[] lengths, DType dtype, bool exact)
    {
        long length = lengths.Aggregate(1L, (product, n) => product * n);
        CpuCase.Run(
            run =>
            {
                Operand output = run.Output("output", dtype, length);
                return (new OuterVectorsStep(Operands(run, lengths, dtype, exact), output) { Label = "outer" }, [output]);
            },
            exact ? 0 : lengths.Length);
        CpuCase.Run(
            run =>
            {
                ImmutableArray<Operand> gradients = [.. lengths.Select((n, i) => run.InOut($"g{i}", dtype, CpuCase.Values(n, 20 + i, exact)))];
                Operand full = run.Input("full", dtype, CpuCase.Values(length, 9, exact));
                return (new VectorMarginalsStep(full, Operands(run, lengths, dtype, exact), gradients) { Label = "marginals" }, [.. gradients]);
            },
            exact ? 0 : 40);
    }

    private static ImmutableArray<VectorOperand> Operands(StepRunner run, int[] lengths, DType dtype, bool exact) =>
        [.. lengths.Select((n, i) => new VectorOperand(run.Input($"v{i}", dtype, CpuCase.Values(n, i, exact)), n))];

    /// <summary>The dtype's number nearest to a float64 number, found among neighbours and not by casts of casts.</summary>
    private static double Nearest(double value, DType dtype)
    {
        if (dtype != DType.BFloat16)
        {
            return dtype == DType.Float64 ? value : dtype == DType.Float32 ? (float)value : (double)(Half)value;
        }

        if (!double.IsFinite(value) || value == 0)
        {
            return value;
        }

        double unit = Math.ScaleB(1, Math.Max(Math.ILogB(value), -126) - 7), rounded = Math.Round(value / unit, MidpointRounding.ToEven) * unit;
        return Math.Abs(rounded) >= Math.ScaleB(1, 128) ? Math.CopySign(double.PositiveInfinity, value) : rounded;
    }
}
