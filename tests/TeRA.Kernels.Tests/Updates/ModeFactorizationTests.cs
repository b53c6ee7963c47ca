using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Updates;

/// <summary>Proposed modes and ranks.</summary>
internal sealed class ModeFactorizationTests
{
    [TestCase(4096, "16·16·16")]
    [TestCase(14336, "28·32·16")]
    [TestCase(11008, "43·16·16")]
    [TestCase(5120, "20·16·16")]
    [TestCase(768, "12·8·8")]
    [TestCase(3072, "12·16·16")]
    [TestCase(1024, "16·8·8")]
    [TestCase(64, "8·8")]
    [TestCase(10, "5·2")]
    [TestCase(32000, "25·40·32")]
    [TestCase(13, "13")]
    [TestCase(8191, "8191")]
    [TestCase(1018, "509·2")]
    [TestCase(2, "2")]
    [TestCase(1, "1")]
    public void Modes_are_as_the_method_lists_them(long length, string expected) =>
        Assert.That(string.Join('·', ModeFactorization.Propose(length)), Is.EqualTo(expected));

    [Test]
    public void Modes_multiply_to_the_length_and_no_mode_is_one() => Prop.ForAll(
        Gen.Choose(2, 200_000).ToArbitrary(),
        length =>
        {
            var modes = ModeFactorization.Propose(length);
            return modes.Aggregate(1L, (product, mode) => product * mode) == length && modes.All(mode => mode > 1) && modes.Length <= 3;
        }).QuickCheckThrowOnFailure();

    [Test]
    public void Ranks_reach_what_is_asked_with_less_than_twice_as_much_where_modes_are_powers_of_two() => Prop.ForAll(
        Gen.Choose(1, 4096).ToArbitrary(),
        rank =>
        {
            long product = ModeFactorization.ProposeRanks([16, 16, 16], rank).Aggregate(1L, (total, length) => total * length);
            return product >= rank && product < 2 * rank;
        }).QuickCheckThrowOnFailure();

    [Test]
    public void Ranks_above_the_modes_are_the_modes() =>
        Assert.That(ModeFactorization.ProposeRanks([5, 2], 1000), Is.EqualTo(new long[] { 5, 2 }));

    [Test]
    public void Nonsense_is_refused()
    {
        Assert.That(() => ModeFactorization.Propose(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => ModeFactorization.Propose(1L << 40), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => ModeFactorization.ProposeRanks([4], 0), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
