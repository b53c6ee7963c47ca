using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>Products with the regenerated core, and its projection, on the GPU: every distribution, rows of any length.</summary>
[Category("Gpu")]
internal sealed class CoreProductGpuTests
{
    private static readonly DType[] DTypes = [DType.Float32, DType.BFloat16, DType.Float16];

    private static readonly Distribution[] Distributions =
        [Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(1.0 / 6)];

    // S beside multiples of 4, 8 and 128, where rows begin inside the generator's blocks; B on both sides of a change of tiles.
    private static readonly (long Tokens, long R, long S)[] Shapes =
        [(1, 1, 1), (3, 5, 7), (5, 8, 12), (64, 64, 64), (65, 65, 65), (129, 33, 128), (130, 257, 127), (70, 16, 1032), (200, 129, 132), (0, 8, 8), (9, 0, 5), (9, 5, 0)];

    [Test]
    public void The_core_is_scaled_rounded_once_and_multiplied(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Distributions))] Distribution distribution, [Values] bool overRows, [Values] bool scaled)
    {
        foreach ((long tokens, long r, long s) in Shapes)
        {
            var core = new CoreSource(new RandomSource(77, distribution), 3, r, s);
            (long depth, long width) = overRows ? (r, s) : (s, r);
            double[] values = SeededValues.Normal(tokens * depth, 1, dtype), scale = SeededValues.AwayFromZero(depth, 2, DType.Float32);
            using var run = new StepRunner(DeviceUnderTest.Cuda);
            Operand a = run.Input("A", dtype, values), c = run.Output("C", dtype, tokens * width);
            Operand? vector = scaled ? run.Input("scale", DType.Float32, scale) : null;
            run.Run(new CoreProductStep(a, c, tokens, core) { Label = "core", OverRows = overRows, Scale = vector, Alpha = 0.7f });

            double[] right = Operands(core, scaled ? scale : null, overRows, dtype);
            (double[] expected, double[] absolute) = Multiply(values, right, tokens, width, depth, 0.7f);
            double[] bounds = [.. expected.Zip(absolute, (value, sum) =>
                (16 * DType.Float32.UnitRoundoff() * sum) + (1.001 * dtype.UnitRoundoff() * Math.Abs(value)) + (dtype == DType.Float16 ? 3e-8 : 0))];
            Check.That(Comparer.Within("C", run.Read(c), expected, bounds, zerosAreRight: true), $"{run.Description}, B {tokens}, R {r}, S {s}");
        }
    }

    [Test]
    public void Integers_through_the_projection_are_exact([ValueSource(nameof(DTypes))] DType dtype, [Values] bool manyTokens)
    {
        foreach ((long tokens, long r, long s) in Shapes)
        {
            using var run = new StepRunner(DeviceUnderTest.Cuda);
            CoreProjectionStep step = Projection(
                run, dtype, (manyTokens ? (tokens * 20) + 1 : tokens, r, s), Distribution.Rademacher,
                (count, seed) => SeededValues.NonZeroIntegers(count, seed, 1));
            run.Run(step);
            Check.That(Comparer.Exact("rows", run.Read(step.RowGradient), run.Expected(step.RowGradient), zerosAreRight: true), run.Description);
            Check.That(Comparer.Exact("columns", run.Read(step.ColumnGradient), run.Expected(step.ColumnGradient), zerosAreRight: true), run.Description);
        }
    }

    [Test]
    public void The_projection_is_accurate([ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Distributions))] Distribution distribution)
    {
        foreach ((long tokens, long r, long s) in Shapes.Append((100, 1290, 1283)))
        {
            using var run = new StepRunner(DeviceUnderTest.Cuda);
            CoreProjectionStep step = Projection(run, dtype, (tokens, r, s), distribution, (count, seed) => SeededValues.Normal(count, seed, dtype));
            run.Run(step);
            foreach (Operand gradient in new[] { step.RowGradient, step.ColumnGradient })
            {
                double[] bounds = Array.ConvertAll(run.Expected(gradient, Magnitude.Absolute), sum => 16 * DType.Float32.UnitRoundoff() * sum);
                Check.That(
                    Comparer.Within("gradient", run.Read(gradient), run.Expected(gradient), bounds, zerosAreRight: true),
                    $"{run.Description}, B {tokens}, R {r}, S {s}");
            }
        }
    }

    [Test]
    public void A_thousand_projections_beside_another_stream_give_the_same_bits([ValueSource(nameof(DTypes))] DType dtype)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        CoreProjectionStep step = Projection(run, dtype, (3000, 65, 129), Distribution.Normal, (count, seed) => SeededValues.Normal(count, seed, dtype));
        Repeats.Assert(DeviceUnderTest.Cuda, run, step, step.RowGradient, step.ColumnGradient);
    }

    private static CoreProjectionStep Projection(
        StepRunner run, DType dtype, (long Tokens, long R, long S) size, Distribution distribution, Func<long, ulong, double[]> fill)
    {
        (long tokens, long r, long s) = size;
        return new CoreProjectionStep(
            run.Input("Q", dtype, fill(tokens * r, 1)),
            run.Input("P", dtype, fill(tokens * s, 2)),
            run.Input("d", DType.Float32, fill(r, 3)),
            run.Input("e", DType.Float32, fill(s, 4)),
            run.Output("row gradient", DType.Float32, r),
            run.Output("column gradient", DType.Float32, s),
            tokens,
            new CoreSource(new RandomSource(78, distribution), 0, r, s)) { Label = "projection", Alpha = 0.5 };
    }

    // The right operand as the kernel feeds it to the tensor cores, depth×width: scale·G in float32, rounded once to the dtype.
    private static double[] Operands(CoreSource core, double[]? scale, bool overRows, DType dtype)
    {
        double[] elements = NaiveSteps.Factor(core.Source, core.Stream, core.R * core.S);
        (long depth, long width) = overRows ? (core.R, core.S) : (core.S, core.R);
        // Where elements are rounded to 16 bits, they are so in units.
        double unit = dtype == DType.Float32 ? 1 : core.Source.Distribution.Unit;
        var right = new double[depth * width];
        for (long i = 0; i < depth; i++)
        {
            for (long j = 0; j < width; j++)
            {
                float element = (float)(elements[overRows ? (i * core.S) + j : (j * core.S) + i] / unit);
                right[(i * width) + j] = unit * Elements.Round(scale is null ? element : element * (float)scale[i], dtype);
            }
        }

        return right;
    }

    private static (double[] Product, double[] Absolute) Multiply(double[] a, double[] b, long m, long n, long k, double alpha)
    {
        double[] product = new double[m * n], absolute = new double[m * n];
        for (long row = 0; row < m; row++)
        {
            for (long i = 0; i < k; i++)
            {
                for (long column = 0; column < n; column++)
                {
                    double term = alpha * a[(row * k) + i] * b[(i * n) + column];
                    product[(row * n) + column] += term;
                    absolute[(row * n) + column] += Math.Abs(term);
                }
            }
        }

        return (product, absolute);
    }
}
