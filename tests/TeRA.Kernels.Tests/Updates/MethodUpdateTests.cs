using NUnit.Framework;

namespace TeRA.Kernels.Tests.Updates;

/// <summary>RandLoRA, VeRA and LoTR as data: shapes, counts, α, starts, and what is refused.</summary>
internal sealed class MethodUpdateTests
{
    [TestCase(8, 6, 4, 2, 1.0 / 6)]
    [TestCase(6, 8, 3, 2, 1.0 / 6)]
    [TestCase(5, 5, 1, 5, 1.0 / 5)]
    [TestCase(9, 4, 7, 1, 1.0 / 4)]
    public void Randlora_has_as_many_bases_as_full_rank_needs(long n, long k, long rank, long bases, double gamma)
    {
        var update = new RandLoraUpdate(n, k, rank, RandLoraPairing.Paper);
        Assert.Multiple(() =>
        {
            Assert.That(update.BaseCount, Is.EqualTo(bases));
            Assert.That((update.OutFeatures, update.InFeatures), Is.EqualTo((n, k)));
            Assert.That(update.Trained.Select(tensor => tensor.Shape), Is.EqualTo(new long[][] { [rank, bases], [bases, Math.Min(n, k)] }));
            Assert.That(update.Trained.Select(tensor => tensor.Name), Is.EqualTo(new[] { "randlora_lambda", "randlora_gamma" }));
            Assert.That(update.Trained.Select(tensor => tensor.Start.Constant), Is.EqualTo(new[] { 0, gamma }));
            Assert.That(update.RankBound, Is.EqualTo(Math.Min(n, k)));
            Assert.That(update.FactorCount, Is.EqualTo((rank * Math.Min(n, k)) + (Math.Max(n, k) * rank * bases)));
            Assert.That(update.Stored, Is.Empty);
            Assert.That(update.Alpha, Is.EqualTo(20));
        });
    }

    [Test]
    public void Randlora_alpha_is_divided_by_the_rank() =>
        Assert.That(new RandLoraUpdate(8, 6, 4, RandLoraPairing.Peft, alpha: 6).Alpha, Is.EqualTo(1.5f));

    [Test]
    public void The_sparse_bases_are_the_papers()
    {
        Assert.That(RandLoraUpdate.Sparse.TernaryProbability, Is.EqualTo(1.0 / 6));
        Assert.That(RandLoraUpdate.VerySparse(100, 64).TernaryProbability, Is.EqualTo(1.0 / 16));
    }

    [Test]
    public void Given_bases_are_described_and_not_counted_as_regenerated()
    {
        var update = new RandLoraUpdate(8, 6, 2, RandLoraPairing.Peft, FrozenBases.Given(DType.BFloat16, [2, 1, 7], [9, 4, 2]));
        Assert.That(update.Stored.Select(tensor => (tensor.Name, tensor.Stride, tensor.Count)), Is.EqualTo(new[] { ("randlora_A", 7L, 14L), ("randlora_B", 8L, 72L) }));
        Assert.That(update.FactorCount, Is.Zero);
        Assert.That(new VeraUpdate(8, 6, 2, FrozenBases.Given(DType.Float32, [2, 6], [8, 2])).Alpha, Is.EqualTo(1));
    }

    [Test]
    public void Vera_trains_two_vectors_and_scales_generated_bases()
    {
        var update = new VeraUpdate(8, 6, 4, initialScale: 0.25);
        Assert.That(update.TrainedCount, Is.EqualTo(8 + 4));
        Assert.That(update.Trained.Select(tensor => tensor.Start.Constant), Is.EqualTo(new[] { 0, 0.25 }));
        Assert.That(update.Alpha, Is.EqualTo((float)(2 / Math.Sqrt(24))), "variances 2/K and 2/r");
        Assert.That(update.Bases.Source!.Value.Distribution, Is.EqualTo(Distribution.Uniform));
        Assert.That(update.RankBound, Is.EqualTo(4));
    }

    [Test]
    public void Lotr_trains_its_core_and_shares_its_sides()
    {
        var trained = new LotrUpdate(8, 6, 3, LotrSides.Trained, scale: 6);
        Assert.That(trained.Trained.Select(tensor => (tensor.Name, tensor.IsShared)), Is.EqualTo(new[] { ("lotr_M", false), ("lotr_L", true), ("lotr_R", true) }));
        Assert.That(trained.Alpha, Is.EqualTo(2));
        Assert.That(trained.FactorCount, Is.Zero);
        Assert.That(new LotrUpdate(8, 6, 3).TrainedCount, Is.EqualTo(9));
    }

    [Test]
    public void What_makes_no_update_is_refused_in_words()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => new RandLoraUpdate(8, 6, 0, RandLoraPairing.Paper), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new RandLoraUpdate(8, 6, 2, (RandLoraPairing)7), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("Paper or Peft"));
            Assert.That(() => new RandLoraUpdate(8, 6, 2, RandLoraPairing.Paper, alpha: double.NaN), Throws.ArgumentException.With.Message.Contains("finite"));
            Assert.That(() => new LowRankUpdate(8, 6, 2, alpha: 1e39), Throws.ArgumentException.With.Message.Contains("finite in float32").And.Message.Contains("1E+39"));
            Assert.That(() => new TeraUpdate([8], [6], [2], [2], scale: -1e39), Throws.ArgumentException.With.Message.Contains("finite in float32"));
            Assert.That(() => new VeraUpdate(0, 6, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new VeraUpdate(8, 6, 2, initialScale: double.PositiveInfinity), Throws.ArgumentException);
            Assert.That(() => new LotrUpdate(8, 6, 2, LotrSides.Trained, distribution: Distribution.Uniform), Throws.ArgumentException.With.Message.Contains("Trained sides start normal"));
            Assert.That(() => FrozenBases.Given(DType.Float32, [2], [8, 2]), Throws.ArgumentException.With.Message.Contains("at least two lengths").And.Message.Contains("[2]"));
            Assert.That(
                () => new VeraUpdate(8, 6, 2, FrozenBases.Given(DType.Float32, [2, 5], [8, 2])),
                Throws.ArgumentException.With.Message.Contains("The given A is [2, 5], but the layer needs its first 2 rows and 6 columns"));
            Assert.That(
                () => new RandLoraUpdate(8, 6, 2, RandLoraPairing.Peft, FrozenBases.Given(DType.Float32, [2, 1, 6], [8, 2, 2])),
                Throws.ArgumentException.With.Message.Contains("The given B is [8, 2, 2], but the layer needs its first 8 rows and 6 columns"));
        });
    }
}
