using NUnit.Framework;

namespace TeRA.Kernels.Tests.Updates;

/// <summary>Updates as data: sizes, counts, starts, and what they refuse.</summary>
internal sealed class WeightUpdateTests
{
    [Test]
    public void Tera_counts_its_numbers()
    {
        var update = new TeraUpdate([16, 16, 16], [8, 8, 8], [16, 16, 16], [8, 8, 8]);
        Assert.Multiple(() =>
        {
            Assert.That((update.OutFeatures, update.InFeatures), Is.EqualTo((4096, 4096)));
            Assert.That(update.TrainedCount, Is.EqualTo(48));
            Assert.That(update.RankBound, Is.EqualTo(512));
            Assert.That(update.FactorCount, Is.EqualTo((512 * 512) + (6 * 16 * 8)));
            Assert.That(update.FactorBytes(DType.BFloat16), Is.EqualTo(2 * update.FactorCount));
            Assert.That(update.Alpha, Is.EqualTo((float)(1 / Math.Sqrt(512.0 * 512 * 4096))));
            Assert.That(update.Trained.Select(tensor => tensor.Name), Is.EqualTo(new[] { "tera_row.0", "tera_row.1", "tera_row.2", "tera_col.0", "tera_col.1", "tera_col.2" }));
            Assert.That(update.Trained.Select(tensor => tensor.Start.Constant), Is.EqualTo(new double[] { 0, 1, 1, 1, 1, 1 }));
        });
    }

    [Test]
    public void Tera_numbers_its_streams_core_rows_columns()
    {
        var update = new TeraUpdate([2, 3], [2, 2], [5], [3]);
        Assert.That(((RandomOperator)update.Core).Stream, Is.EqualTo(0));
        Assert.That(((KroneckerOperator)update.Left).Factors.Select(factor => factor.Stream), Is.EqualTo(new uint[] { 1, 2 }));
        Assert.That(((KroneckerOperator)update.Right).Factors.Select(factor => factor.Stream), Is.EqualTo(new uint[] { 3 }));
    }

    [Test]
    public void Tera_rank_is_bounded_mode_by_mode() =>
        Assert.That(new TeraUpdate([2, 8], [8, 2], [16], [16]).RankBound, Is.EqualTo(4), "min(2,8)·min(8,2), not min(16,16)");

    [Test]
    public void A_proposal_has_the_fraction_or_the_rank_that_was_asked_for()
    {
        TeraUpdate eighth = TeraUpdate.Propose(4096, 14336);
        Assert.That(eighth.Left.Columns, Is.EqualTo(512));
        Assert.That(eighth.Right.Rows, Is.GreaterThanOrEqualTo(14336 / 8).And.LessThan(14336 / 4));
        TeraUpdate ranked = TeraUpdate.ProposeRank(64, 10, 16);
        Assert.That((ranked.Left.Columns, ranked.Right.Rows), Is.EqualTo((16, 10)));
    }

    [Test]
    public void Low_rank_scales_by_rank_or_its_root()
    {
        Assert.That(new LowRankUpdate(8, 6, 4).Alpha, Is.EqualTo(1));
        Assert.That(new LowRankUpdate(8, 6, 4, alpha: 8).Alpha, Is.EqualTo(2));
        Assert.That(new LowRankUpdate(8, 6, 4, alpha: 8, rankStabilized: true).Alpha, Is.EqualTo(4));
        Assert.That(new LowRankUpdate(8, 6, 4).TrainedCount, Is.EqualTo(4 * (8 + 6)));
        Assert.That(new LowRankUpdate(8, 6, 40).RankBound, Is.EqualTo(6));
    }

    [Test]
    public void The_other_updates_count_too()
    {
        Assert.That(new FullUpdate(8, 6).TrainedCount, Is.EqualTo(48));
        Assert.That(new FullUpdate(8, 6).FactorCount, Is.Zero);
        Assert.That(new LotrUpdate(8, 6, 3).TrainedCount, Is.EqualTo(9));
        Assert.That(new LotrUpdate(8, 6, 3).FactorCount, Is.EqualTo(3 * (8 + 6)));
    }

    [TestCase(new long[] { }, new long[] { }, "Expected 1 to 16 modes, found 0.")]
    [TestCase(new long[] { 2, 2 }, new long[] { 2 }, "Expected one rank for each of the 2 modes, found 1.")]
    [TestCase(new long[] { 2, 0 }, new long[] { 2, 1 }, "Number 1 must be at least 1, found 0.")]
    [TestCase(new long[] { 2 }, new long[] { -3 }, "Number 0 must be at least 1, found -3.")]
    [TestCase(new long[] { 65536, 65536 }, new long[] { 1, 1 }, "The product 65536·65536 exceeds 2147483647.")]
    public void Tera_refuses_in_words(long[] modes, long[] ranks, string expected) =>
        Assert.That(() => new TeraUpdate([.. modes], [.. ranks], [2], [2]), Throws.ArgumentException.With.Message.StartsWith(expected));

    [Test]
    public void Fractions_and_scales_outside_their_range_are_refused()
    {
        Assert.That(() => TeraUpdate.Propose(8, 8, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => TeraUpdate.Propose(8, 8, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => TeraUpdate.ProposeRank(8, 8, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TeraUpdate([2], [2], [2], [2], scale: double.NaN), Throws.ArgumentException);
    }
}
