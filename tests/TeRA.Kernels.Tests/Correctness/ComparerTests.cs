using NUnit.Framework;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>The comparer is what every other test believes, so it is tested first.</summary>
internal sealed class ComparerTests
{
    [Test]
    public void Equal_arrays_pass_with_ratio_zero()
    {
        Comparison comparison = Comparer.Exact("y", [1, -2, 3], [1, -2, 3]);
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Passed, Is.True);
            Assert.That(comparison.Ratio, Is.Zero);
        });
    }

    [Test]
    public void An_error_just_above_the_bound_fails_and_names_the_element()
    {
        Comparison comparison = Comparer.Within("y", [1, 2.26, 3], [1, 2, 3], 0.25);
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Status, Is.EqualTo(ComparisonStatus.Failed));
            Assert.That(comparison.Index, Is.EqualTo(1));
            Assert.That(comparison.MaxError, Is.EqualTo(0.26).Within(1e-12));
            Assert.That(comparison.Report, Does.Contain("[1] 2.26, expected 2"));
        });
    }

    [Test]
    public void An_error_at_the_bound_passes() => Assert.That(Comparer.Within("y", [1.25], [1], 0.25).Passed, Is.True);

    [Test]
    public void Each_element_has_its_own_bound() =>
        Assert.That(Comparer.Within("y", [1.5, 2.5], [1, 2], [1, 0.25]).Index, Is.EqualTo(1));

    [TestCase(double.NaN, 1)]
    [TestCase(1, double.NaN)]
    [TestCase(double.PositiveInfinity, 1)]
    [TestCase(1, double.NegativeInfinity)]
    [TestCase(double.PositiveInfinity, double.NegativeInfinity)]
    [TestCase(double.PositiveInfinity, double.NaN)]
    public void Non_finite_on_one_side_fails_whatever_the_bound(double actual, double expected) =>
        Assert.That(Comparer.Within("y", [1, actual], [1, expected], 1e300).Status, Is.EqualTo(ComparisonStatus.Failed));

    [Test]
    public void Non_finite_fails_even_when_the_bound_is_infinite_or_NaN() => Assert.Multiple(() =>
    {
        Assert.That(Comparer.Within("y", [double.NaN], [1], double.NaN).Passed, Is.False);
        Assert.That(Comparer.Within("y", [2], [1], double.NaN).Passed, Is.False);
    });

    [TestCase(double.NaN)]
    [TestCase(double.PositiveInfinity)]
    public void Non_finite_on_both_sides_agrees(double value) => Assert.That(Comparer.Exact("y", [1, value], [1, value]).Passed, Is.True);

    [Test]
    public void All_zeros_are_mistrusted_even_when_they_are_equal() => Assert.Multiple(() =>
    {
        Assert.That(Comparer.Exact("y", new double[3], new double[3]).Status, Is.EqualTo(ComparisonStatus.Mistrusted));
        Assert.That(Comparer.Exact("y", new double[3], new double[3], zerosAreRight: true).Passed, Is.True);
    });

    [TestCase(3, ComparisonStatus.Passed)]
    [TestCase(4, ComparisonStatus.Mistrusted)]
    public void More_than_thirty_percent_zeros_are_mistrusted(int zeros, ComparisonStatus status)
    {
        double[] values = [.. Enumerable.Range(0, 10).Select(i => i < zeros ? 0.0 : i)];
        Assert.That(Comparer.Exact("y", values, values).Status, Is.EqualTo(status));
    }

    [Test]
    public void A_failure_outranks_mistrust() => Assert.That(Comparer.Exact("y", new double[3], [0, 0, 1]).Status, Is.EqualTo(ComparisonStatus.Failed));

    [Test]
    public void Different_lengths_fail() => Assert.That(Comparer.Exact("y", [1, 2], [1, 2, 3]).Passed, Is.False);

    [Test]
    public void Empty_arrays_pass() => Assert.That(Comparer.Exact("y", [], []).Passed, Is.True);

    [Test]
    public void The_report_lists_ten_elements_at_most()
    {
        double[] ones = [.. Enumerable.Repeat(1.0, 50)];
        string report = Comparer.Exact("y", ones, new double[50]).Report;
        Assert.Multiple(() =>
        {
            Assert.That(report.Split('\n'), Has.Length.EqualTo(11));
            Assert.That(report, Does.Contain("50 of 50"));
        });
    }

    [Test]
    public void Same_bits_tells_zero_from_minus_zero_and_names_the_byte() => Assert.Multiple(() =>
    {
        Assert.That(Comparer.SameBits("y", [1, 2, 3], [1, 2, 3]).Passed, Is.True);
        Assert.That(Comparer.SameBits("y", Elements.Encode([0.0], DType.Float32), Elements.Encode([-0.0], DType.Float32)).Index, Is.EqualTo(3));
        Assert.That(Comparer.SameBits("y", [1, 2], [1, 2, 3]).Passed, Is.False);
    });
}
