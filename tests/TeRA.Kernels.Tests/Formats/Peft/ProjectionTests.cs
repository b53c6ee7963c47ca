using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Frozen bases drawn from projection_prng_key against the ones that PEFT saved.</summary>
[TestFixture]
internal sealed class ProjectionTests
{
    [TestCase("randlora-square", 0u, 8, 48, 48)]
    [TestCase("randlora-tall", 0u, 7, 24, 60)]
    [TestCase("randlora-mixed", 5u, 6, 56, 56)]
    public void Dense_RandLora_bases_are_PEFTs_in_every_bit(string name, uint key, long rank, long outFeatures, long inFeatures) =>
        CheckEqual(name, "randlora", RandLoraProjection.For(rank, new LayerSize(outFeatures, inFeatures)).Dense(key, DType.BFloat16));

    [Test]
    public void Sparse_RandLora_bases_are_PEFTs_in_every_bit() =>
        CheckEqual("randlora-mixed-sparse", "randlora", RandLoraProjection.For(6, new LayerSize(56, 56)).Sparse(11, very: false));

    [Test]
    public void Vera_bases_are_PEFTs_to_the_last_bit_but_one()
    {
        Projection drawn = VeraProjection.Generate(0, 16, new LayerSize(48, 48));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(PeftFixtures.Folder("vera-square"), "adapter_model.safetensors"));
        foreach ((HostTensor tensor, string parameter) in new[] { (drawn.A, "A"), (drawn.B, "B") })
        {
            float[] saved = file.ReadSingles("base_model.vera_" + parameter);
            Assert.That(tensor.Shape, Is.EqualTo(file.Entry("base_model.vera_" + parameter).Shape));
            Assert.That(tensor.Values.Zip(saved).Max(pair => Math.Abs(BitConverter.SingleToInt32Bits(pair.First) - BitConverter.SingleToInt32Bits(pair.Second))), Is.LessThanOrEqualTo(1));
        }
    }

    [Test]
    public void Very_sparse_bases_have_the_probabilities_of_the_square_root()
    {
        Projection drawn = RandLoraProjection.For(10, new LayerSize(400, 900)).Sparse(1, very: true);
        float[] b = drawn.B.Values;
        Assert.Multiple(() =>
        {
            Assert.That(drawn.A.Shape, Is.EqualTo(new long[] { 10, 1, 400 }));
            Assert.That(drawn.B.Shape, Is.EqualTo(new long[] { 900, 40, 10 }));
            Assert.That(b.Distinct().Count(), Is.EqualTo(3));
            Assert.That(b.Count(value => value != 0) / (double)b.Length, Is.EqualTo(1 / Math.Sqrt(400)).Within(0.002));
            Assert.That(b.Average(value => (double)value * value), Is.EqualTo(1).Within(1e-3));
        });
    }

    [Test]
    public void Another_key_or_dtype_gives_other_bases()
    {
        RandLoraProjection sizes = RandLoraProjection.For(4, new LayerSize(12, 20));
        float[] one = sizes.Dense(0, DType.BFloat16).B.Values;
        Assert.That(sizes.Dense(1, DType.BFloat16).B.Values, Is.Not.EqualTo(one));
        Assert.That(sizes.Dense(0, DType.Float16).B.Values, Is.Not.EqualTo(one));
    }

    private static void CheckEqual(string name, string prefix, Projection drawn)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(PeftFixtures.Folder(name), "adapter_model.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(drawn.A.Shape, Is.EqualTo(file.Entry($"base_model.{prefix}_A").Shape));
            Assert.That(drawn.B.Shape, Is.EqualTo(file.Entry($"base_model.{prefix}_B").Shape));
            Assert.That(drawn.A.Values, Is.EqualTo(file.ReadSingles($"base_model.{prefix}_A")));
            Assert.That(drawn.B.Values, Is.EqualTo(file.ReadSingles($"base_model.{prefix}_B")));
        });
    }
}
