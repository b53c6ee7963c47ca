using System.Runtime.Intrinsics;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.RandomFactors;

/// <summary>The generator against its authors' known answers, and its vector code against its scalar code.</summary>
[TestFixture]
public sealed class PhiloxTests
{
    [Test]
    public void Published_known_answers()
    {
        FormatText.KnownAnswer[] answers = FormatText.KnownAnswers().ToArray();
        Assert.That(answers, Has.Length.EqualTo(3));
        foreach ((uint[] c, uint[] k, uint[] words) in answers)
        {
            (uint x0, uint x1, uint x2, uint x3) = Philox4x32.Generate(c[0], c[1], c[2], c[3], k[0], k[1]);
            Assert.That(new[] { x0, x1, x2, x3 }, Is.EqualTo(words));
        }
    }

    [Test]
    public void Known_answers_come_out_of_the_vector_code_too()
    {
        foreach ((uint[] c, uint[] k, uint[] words) in FormatText.KnownAnswers())
        {
            uint[] filled = new uint[256];
            int written = Vector(filled, Join(k[0], k[1]), Join(c[0], c[1]), c[2], c[3]);
            if (written == 0)
            {
                Assert.Ignore("this processor has neither AVX2 nor AVX-512");
            }

            Assert.That(filled[..4], Is.EqualTo(words));
        }
    }

    [TestCase(0ul)]
    [TestCase(0xFFFFFFF0ul)]
    [TestCase(0x123456789ABCDEF0ul)]
    [TestCase(ulong.MaxValue - 40)]
    public void Vector_words_equal_scalar_words(ulong firstBlock)
    {
        uint[] expected = new uint[1000];
        uint[] found = new uint[1000];
        Philox4x32.FillScalar(expected, 0x0123456789ABCDEF, firstBlock, 5, FactorFill.Tag);
        int written = Vector(found, 0x0123456789ABCDEF, firstBlock, 5, FactorFill.Tag);
        Assert.That(written, Is.Zero.Or.GreaterThan(900));
        Assert.That(found[..written], Is.EqualTo(expected[..written]));
    }

    private static ulong Join(uint low, uint high) => low | ((ulong)high << 32);

    private static int Vector(Span<uint> words, ulong key, ulong firstBlock, uint c2, uint c3) =>
        Simd512.IsSupported ? Philox4x32.FillVector<Simd512, Vector512<uint>>(words, key, firstBlock, c2, c3)
        : Simd256.IsSupported ? Philox4x32.FillVector<Simd256, Vector256<uint>>(words, key, firstBlock, c2, c3)
        : 0;
}
