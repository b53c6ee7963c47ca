using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Which products the kernel for short sides takes and how it cuts them, from plain data: no device.</summary>
internal sealed class WgmmaThinProductRulesTests
{
    [Test]
    public void The_products_of_low_ranks_are_taken([Values(16, 64, 128)] int rank, [Values(1024, 8192)] int tokens)
    {
        Assert.That(Rejection(Product(8192, 256, tokens)), Is.Null);
        Assert.That(Rejection(Product(tokens, rank, 4096)), Is.Null);
        Assert.That(Rejection(Product(4096, rank, tokens, Layout.Transposed, Layout.Normal)), Is.Null);
        Assert.That(Rejection(Product(rank, 4096, tokens, Layout.Transposed, Layout.Normal)), Is.Null);
    }

    [TestCase(8192, 4096, 4096, "one side")]
    [TestCase(8192, 257, 4096, "one side")]
    [TestCase(1000, 16, 4096, "one side")]
    [TestCase(512, 16, 2040, "one side")]
    [TestCase(512, 136, 4096, "one side")]
    [TestCase(4096, 256, 8192, "fewer than 64 tiles")]
    [TestCase(8192, 16, 4097, "16 bytes")]
    [TestCase(8192, 16, 56, "below 64")]
    public void Others_are_rejected_with_the_reason(long m, long n, long k, string reason) => Assert.That(Rejection(Product(m, n, k)), Does.Contain(reason));

    // What is contiguous decides: K here, the short side there.
    [TestCase(Layout.Transposed, null)]
    [TestCase(Layout.Normal, "16 bytes")]
    public void A_rank_of_four_wants_contiguous_sums(Layout layoutB, string? reason) =>
        Assert.That(Rejection(Product(8192, 4, 4096, Layout.Normal, layoutB)), reason is null ? Is.Null : Does.Contain(reason));

    [Test]
    public void Other_devices_dtypes_and_blocks_are_rejected_and_addends_are_not()
    {
        MatrixProductStep step = Product(8192, 16, 4096);
        Assert.That(WgmmaThinProductRules.Rejection(step, DeviceTraits.H100 with { Architecture = 80 }), Does.Contain("compute capability"));
        Assert.That(Rejection(step with { A = new Operand(1, DType.Float32) }), Does.Contain("float32"));
        Assert.That(Rejection(step with { Blocks = new BlockProduct(step.A, step.B, 64, 16) }), Does.Contain("block"));
        Assert.That(Rejection(step with { AddTo = step.C, Bias = step.B }), Is.Null);
    }

    // Parts and stages as measured best on an H100 (bench/NOTES.md).
    [TestCase(8192, 16, 4096, 64, 64, 1, 12)]
    [TestCase(14336, 64, 4096, 64, 64, 1, 6)]
    [TestCase(16, 4096, 8192, 64, 64, 2, 12)]
    [TestCase(4096, 64, 1000, 64, 64, 1, 12)]
    [TestCase(64, 64, 8192, 64, 64, 8, 12)]
    [TestCase(16, 16, 2048, 64, 64, 4, 12)]
    [TestCase(128, 512, 8192, 128, 64, 8, 8)]
    [TestCase(1024, 64, 4096, 64, 64, 4, 12)]
    [TestCase(500, 100, 2048, 128, 64, 4, 8)]
    [TestCase(8192, 128, 4096, 128, 64, 1, 8)]
    [TestCase(4096, 100, 8192, 128, 64, 2, 8)]
    [TestCase(8192, 256, 4096, 256, 128, 2, 4)]
    [TestCase(256, 14336, 4096, 256, 128, 1, 4)]
    public void Tiles_follow_the_short_side_and_parts_the_number_of_tiles(long m, long n, long k, int shortTile, int longTile, int parts, int stages) =>
        Assert.That(WgmmaThinProductSchedule.Choose(Product(m, n, k)), Is.EqualTo(new WgmmaThinProductSchedule(shortTile, longTile, parts, stages)));

    [Test]
    public void Every_schedule_is_compiled_fits_the_device_and_covers_the_sum()
    {
        KernelRequest[] variants = [.. WgmmaThinProductLauncher.Variants];
        Assert.That(variants.Distinct().Count(), Is.EqualTo(variants.Length).And.EqualTo(8 * WgmmaThinProductSchedule.All.Length));
        foreach (long width in new long[] { 1, 64, 65, 128, 129, 256 })
        {
            foreach (long length in Enumerable.Range(0, 20).Select(i => 1024L + (1000 * i)).Concat(width <= 128 ? [width, width + 64, 512] : []))
            {
                for (long k = length < 1024 ? 2048 : 64; k < 9000; k += 331)
                {
                    WgmmaThinProductSchedule schedule = WgmmaThinProductSchedule.Choose(Product(length, width, k));
                    Assert.That(WgmmaThinProductSchedule.All.Contains(schedule), Is.True, $"{schedule} is among the variants");
                    Assert.That(schedule.SharedBytes, Is.LessThanOrEqualTo(DeviceTraits.H100.SharedMemoryBytes));
                    long part = schedule.PartLength(k);
                    Assert.That(part % 64 == 0 && part * schedule.Parts >= k && part * (schedule.Parts - 1) < k, Is.True, $"{schedule} leaves no part of {k} empty");
                }
            }
        }
    }

    private static string? Rejection(MatrixProductStep step) => WgmmaThinProductRules.Rejection(step, DeviceTraits.H100);

    private static MatrixProductStep Product(long m, long n, long k, Layout layoutA = Layout.Normal, Layout layoutB = Layout.Transposed) =>
        new(new Operand(1, DType.BFloat16), new Operand(2, DType.BFloat16), new Operand(3, DType.BFloat16), m, n, k) { Label = "P", LayoutA = layoutA, LayoutB = layoutB };
}
