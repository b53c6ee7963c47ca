using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>How the blocks of block operands are spread over an H100's processors.</summary>
internal sealed class BlockOperandsSpreadTests
{
    [TestCase(256, 17408, 2, 8, Description = "rank 512, 8 → 16")]
    [TestCase(256, 32768, 2, 8, Description = "8 → 28")]
    [TestCase(256, 0, 2, 0, Description = "M alone")]
    [TestCase(0, 16384, 1, 8, Description = "F alone")]
    [TestCase(512, 17408, 20, 8, Description = "more than fit at once: no share to keep to")]
    [TestCase(132, 1, 2, 1)]
    public void Block_operands_are_spread_over_all_processors(int coreBlocks, int numbers, int perProcessor, int others)
    {
        (uint found, int bytes) = BlockOperandsLauncher.Spread((uint)coreBlocks, numbers, 10368, DeviceTraits.H100);
        Assert.That(found, Is.EqualTo(others));
        Assert.That((DeviceTraits.H100.SharedMemoryBytes + 1024) / (bytes + 1024), Is.EqualTo(perProcessor));
        Assert.That(bytes, Is.LessThanOrEqualTo(DeviceTraits.H100.SharedMemoryBytes));
    }
}
