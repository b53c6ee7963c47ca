using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>PyTorch's CPU generator against published numbers.</summary>
[TestFixture]
internal sealed class TorchGeneratorTests
{
    [Test]
    public void The_10000th_word_of_the_standards_seed_is_the_standards()
    {
        var generator = new MersenneTwister(5489);
        for (int i = 1; i < 10_000; i++)
        {
            _ = generator.Next();
        }

        Assert.That(generator.Next(), Is.EqualTo(4123659995));
    }

    [TestCase(0u, new[] { 0.4963f, 0.7682f, 0.0885f, 0.1320f, 0.3074f, 0.6341f, 0.4901f, 0.8964f, 0.4556f, 0.6323f })]
    [TestCase(42u, new[] { 0.8823f, 0.9150f, 0.3829f, 0.9593f, 0.3904f })]
    public void Float32_numbers_are_those_that_torch_rand_prints(uint seed, float[] expected)
    {
        var values = new float[expected.Length];
        TorchUniform.Fill(new MersenneTwister(seed), values, 0, 1, DType.Float32);
        Assert.That(values, Is.EqualTo(expected).Within(5.0e-5));
    }

    [Test]
    public void Bfloat16_numbers_take_the_low_byte()
    {
        var values = new float[8];
        TorchUniform.Fill(new MersenneTwister(0), values, 0, 1, DType.BFloat16);
        Assert.That(values.Select(value => value * 256), Is.EqualTo(new float[] { 172, 47, 117, 192, 67, 251, 195, 103 }));
    }

    [Test]
    public void Float16_numbers_take_the_low_11_bits()
    {
        var values = new float[1000];
        TorchUniform.Fill(new MersenneTwister(3), values, 0, 1, DType.Float16);
        var generator = new MersenneTwister(3);
        Assert.That(values, Is.EqualTo(values.Select(_ => (generator.Next() & 2047) / 2048f)));
    }

    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    [TestCase(DType.Float32)]
    public void Bounds_are_rounded_to_the_dtype_and_numbers_stay_within(DType dtype)
    {
        var values = new float[5000];
        TorchUniform.Fill(new MersenneTwister(9), values, -0.1, 0.1, dtype);
        float bound = TorchUniform.Round(0.1f, dtype);
        Assert.Multiple(() =>
        {
            Assert.That(values, Is.All.InRange(-bound, bound));
            Assert.That(values.Min(), Is.LessThan(-0.098));
            Assert.That(values.Max(), Is.GreaterThan(0.098));
            Assert.That(values.Select(value => TorchUniform.Round(value, dtype)), Is.EqualTo(values));
        });
    }

    [Test]
    public void No_other_dtype_is_drawn() =>
        Assert.That(() => TorchUniform.Fill(new MersenneTwister(0), new float[1], 0, 1, DType.Float64), Throws.TypeOf<ArgumentOutOfRangeException>());
}
