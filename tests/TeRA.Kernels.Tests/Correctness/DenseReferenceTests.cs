using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>The reference itself: against numbers worked out by hand, the definition's sum written out, and finite differences in float64.</summary>
internal sealed class DenseReferenceTests
{
    private static readonly LayerShape Shape = new(3, [2, 3], [2, 2], [3, 2], [2, 3]);

    /// <summary>One of every method.</summary>
    public static IEnumerable<TestCaseData> Updates =>
        new WeightUpdate[]
        {
            Shape.Tera(Distribution.Normal), Shape.Tera(Distribution.Ternary(0.25), seed: 3, scale: 2), new LayerShape(2, [5], [7], [4], [2]).Tera(Distribution.Uniform),
            new LayerShape(2, [2, 1, 3, 2], [1, 2, 2, 2], [2, 2], [3, 1]).Tera(Distribution.Rademacher),
            new LowRankUpdate(4, 5, 2, alpha: 3), new LotrUpdate(4, 5, 3, seed: 9, scale: 2), new FullUpdate(3, 4),
            new LotrUpdate(4, 5, 3, LotrSides.Trained, seed: 9), new VeraUpdate(5, 4, 3), new VeraUpdate(4, 5, 2, FrozenBases.Given(DType.Float64, [2, 6], [5, 2])),
            new RandLoraUpdate(5, 4, 2, RandLoraPairing.Paper, alpha: 3), new RandLoraUpdate(4, 5, 3, RandLoraPairing.Paper, alpha: 3),
            new RandLoraUpdate(5, 4, 3, RandLoraPairing.Peft, alpha: 3), new RandLoraUpdate(4, 5, 2, RandLoraPairing.Peft, FrozenBases.Given(DType.Float64, [2, 1, 6], [7, 3, 2]), alpha: 3),
        }.Select((update, i) => new TestCaseData(update).SetArgDisplayNames($"{update.Method} {update.OutFeatures}x{update.InFeatures} {i}"));

    [Test]
    public void A_low_rank_layer_worked_out_by_hand()
    {
        // A = [1 2], B = [3 -1]ᵀ, α = 2/1: ΔW = [[3 6] [-1 -2]], W = W0 + 2·ΔW = [[7 12] [-2 -3]].
        LayerValues values = DenseReference.Compute(new LayerData
        {
            Update = new LowRankUpdate(2, 2, 1, alpha: 2),
            DType = DType.Float64,
            Tokens = 1,
            OutFeatures = 2,
            InFeatures = 2,
            Weight = [1, 0, 0, 1],
            Bias = [100, 200],
            X = [1, -1],
            OutputGradient = [2, 1],
            Trained = [[1, 2], [3, -1]],
        });
        Assert.Multiple(() =>
        {
            Assert.That(values.Delta, Is.EqualTo(new double[] { 6, 12, -2, -4 }));
            Assert.That(values.Merged, Is.EqualTo(new double[] { 7, 12, -2, -3 }));
            Assert.That(values.Y, Is.EqualTo(new double[] { 95, 201 }));
            Assert.That(values.InputGradient, Is.EqualTo(new double[] { 12, 21 }));
            Assert.That(values.Gradients[0], Is.EqualTo(new double[] { 10, -10 }), "α·Bᵀ·dW with dW = [[2 -2] [1 -1]]");
            Assert.That(values.Gradients[1], Is.EqualTo(new double[] { -4, -2 }), "α·dW·Aᵀ");
            Assert.That(values.BiasGradient, Is.EqualTo(new double[] { 2, 1 }));
        });
    }

    [Test]
    public void A_TeRA_layer_of_one_number_worked_out_by_hand()
    {
        // Rademacher: G, A and C are ±1, so α·ΔW = α·G·A·d·C·e with α = scale/√(R·S·K) = 3.
        var update = new TeraUpdate([1], [1], [1], [1], seed: 5, Distribution.Rademacher, scale: 3);
        float sign = ScalarFactor.Element(update.Source, 0, 0) * ScalarFactor.Element(update.Source, 1, 0) * ScalarFactor.Element(update.Source, 2, 0);
        LayerValues values = DenseReference.Compute(new LayerData
        {
            Update = update,
            DType = DType.Float64,
            Tokens = 1,
            OutFeatures = 1,
            InFeatures = 1,
            Weight = [10],
            Bias = null,
            X = [2],
            OutputGradient = [7],
            Trained = [[5], [-4]],
        });
        Assert.Multiple(() =>
        {
            Assert.That(values.Delta, Is.EqualTo(new double[] { -60 * sign }));
            Assert.That(values.Y, Is.EqualTo(new double[] { 20 - (120 * sign) }));
            Assert.That(values.InputGradient, Is.EqualTo(new double[] { 70 - (420 * sign) }));
            Assert.That(values.Gradients[0], Is.EqualTo(new double[] { 7 * 2 * 3 * sign * -4 }));
            Assert.That(values.Gradients[1], Is.EqualTo(new double[] { 7 * 2 * 3 * sign * 5 }));
        });
    }

    [Test]
    public void The_TeRA_update_is_the_sum_of_its_definition()
    {
        // Written out for p = q = 2 with factors from the independent generator: streams 0 (G), 1, 2 (A), 3, 4 (C).
        TeraUpdate update = Shape.Tera(Distribution.Uniform, seed: 0xFEDC_BA98_7654_3210, scale: 1.5);
        LayerData data = LayerData.Normal(update, 1, DType.Float64, bias: false);
        double F(uint stream, long index) => ScalarFactor.Element(update.Source, stream, index);
        double alpha = (float)(1.5 / Math.Sqrt(4 * 6 * 6));
        var expected = new double[36];
        for (int n = 0; n < 6; n++)
        {
            for (int k = 0; k < 6; k++)
            {
                (int j1, int j2, int i1, int i2) = (n / 3, n % 3, k / 2, k % 2);
                for (int r = 0; r < 4; r++)
                {
                    for (int s = 0; s < 6; s++)
                    {
                        (int r1, int r2, int s1, int s2) = (r / 2, r % 2, s / 3, s % 3);
                        expected[(n * 6) + k] += alpha * F(0, (r * 6) + s)
                            * F(1, (j1 * 2) + r1) * data.Trained[0][r1] * F(2, (j2 * 2) + r2) * data.Trained[1][r2]
                            * F(3, (i1 * 2) + s1) * data.Trained[2][s1] * F(4, (i2 * 3) + s2) * data.Trained[3][s2];
                    }
                }
            }
        }

        Check.That(Comparer.Within("delta", DenseReference.Compute(data).Delta, expected, 1e-14));
    }

    [TestCaseSource(nameof(Updates))]
    public void Gradients_are_the_derivatives_of_the_loss(WeightUpdate update)
    {
        // L = Σ dY∘Y, so that dL/dY = dY. The loss is linear in each single number: central differences have rounding errors only.
        LayerData data = LayerData.Normal(update, 3, DType.Float64, bias: true);
        LayerValues values = DenseReference.Compute(data);
        Check.That(Comparer.Within("dx", Differences(data.X, () => Loss(data)), values.InputGradient, 1e-7));
        Check.That(Comparer.Within("bias", Differences(data.Bias!, () => Loss(data)), values.BiasGradient, 1e-7));
        for (int i = 0; i < data.Trained.Length; i++)
        {
            Check.That(Comparer.Within(update.Trained[i].Name, Differences(data.Trained[i], () => Loss(data)), values.Gradients[i], 1e-7));
        }
    }

    [TestCaseSource(nameof(Updates))]
    public void The_yardstick_is_close_but_not_equal(WeightUpdate update)
    {
        LayerData data = LayerData.Normal(update, 40, DType.BFloat16, bias: true);
        LayerValues truth = DenseReference.Compute(data), plain = PlainReference.Compute(data);
        double[] size = DenseReference.Compute(data, Magnitude.Square).Y;
        double error = truth.Y.Zip(plain.Y, (a, b) => Math.Abs(a - b)).Max();
        Assert.That(error / Math.Sqrt(size.Max()), Is.InRange(0.1 * DType.BFloat16.UnitRoundoff(), 8 * DType.BFloat16.UnitRoundoff()));
        Check.That(Comparer.Within("y", plain.Y, truth.Y, 8 * DType.BFloat16.UnitRoundoff() * Math.Sqrt(size.Max())));
    }

    [TestCaseSource(nameof(Updates))]
    public void The_yardstick_passes_its_own_comparison_in_every_dtype(WeightUpdate update)
    {
        foreach (DType dtype in new[] { DType.Float32, DType.BFloat16, DType.Float16 })
        {
            LayerData data = LayerData.Normal(update, 9, dtype, bias: true);
            Assert.That(LayerComparer.Compare(data, PlainReference.Compute(data)).Where(error => !error.Passed), Is.Empty, $"{dtype}");
        }
    }

    [Test]
    public void Integer_data_are_exact_in_the_yardstick_of_every_dtype()
    {
        foreach (DType dtype in new[] { DType.Float32, DType.BFloat16, DType.Float16 })
        {
            LayerData[] cases = [.. LayerShapes.Quick.Select(shape => LayerVerification.IntegerCase(shape, dtype)).OfType<VerificationCase>().Select(problem => problem.Data())];
            Assert.That(cases, Has.Length.GreaterThanOrEqualTo(5), $"{dtype}");
            foreach (LayerData data in cases)
            {
                Assert.That(LayerComparer.Compare(data, PlainReference.Compute(data), exact: true).Where(error => !error.Passed), Is.Empty, $"{dtype} {data.Update}");
            }
        }
    }

    [TestCase(DistributionKind.Uniform)]
    [TestCase(DistributionKind.Rademacher)]
    [TestCase(DistributionKind.Ternary)]
    public void Random_elements_agree_with_the_independent_generator(DistributionKind kind)
    {
        Distribution distribution = kind == DistributionKind.Uniform ? Distribution.Uniform : kind == DistributionKind.Rademacher ? Distribution.Rademacher : Distribution.Ternary(1.0 / 6);
        var source = new RandomSource(0x9E37_79B9_7F4A_7C15, distribution);
        double[] actual = NaiveSteps.Factor(source, 6, 1000);
        Check.That(Comparer.Exact("factor", actual, [.. Enumerable.Range(0, 1000).Select(i => (double)ScalarFactor.Element(source, 6, i))], zerosAreRight: true));
    }

    private static double Loss(LayerData data) => DenseReference.Compute(data).Y.Zip(data.OutputGradient, (y, g) => y * g).Sum();

    private static double[] Differences(double[] numbers, Func<double> loss)
    {
        const double Step = 0.25;
        var differences = new double[numbers.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            double start = numbers[i];
            numbers[i] = start + Step;
            double above = loss();
            numbers[i] = start - Step;
            differences[i] = (above - loss()) / (2 * Step);
            numbers[i] = start;
        }

        return differences;
    }
}
