using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>The numbers that a kernel divides with, as kernels/common/wide_divisor.cuh uses them.</summary>
internal sealed class WideDivisorTests
{
    [Test]
    public void A_multiplication_and_a_shift_divide_like_the_processor()
    {
        var random = new Random(1);
        for (int i = 0; i < 20000; i++)
        {
            int value = i < 3000 ? i + 1 : Math.Max(1, random.Next() >> random.Next(31));
            var divisor = new WideDivisor(value);
            foreach (uint n in new uint[] { 0, (uint)value - 1, (uint)value, int.MaxValue, (uint)(int.MaxValue / value * value), (uint)(int.MaxValue / value * value) - 1, (uint)random.Next() })
            {
                Assert.That((uint)((ulong)(n << 1) * divisor.Multiplier >> 32) >> (int)divisor.Shift, Is.EqualTo(n / (uint)value), $"{n} / {value}");
            }
        }
    }

    [Test]
    public void Numbers_of_more_than_31_bits_are_refused() => Assert.That(() => new WideDivisor(1L << 31), Throws.TypeOf<OverflowException>());
}
