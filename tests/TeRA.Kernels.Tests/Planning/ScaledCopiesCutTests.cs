using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>How scaled copies are cut into blocks: no device.</summary>
internal sealed class ScaledCopiesCutTests
{
    private const int Processors = 132;

    // RandLoRA's copies are a part each; VeRA's one copy is cut so that its parts fill a GPU; short rows share a block.
    [TestCase(128, 32, 4096, 256, 1, 2, 4, 8)]
    [TestCase(1, 4096, 256, 32, 8, 1, 8, 512)]
    [TestCase(1, 14336, 256, 32, 8, 1, 8, 1792)]
    [TestCase(1, 3, 5, 32, 8, 1, 8, 1)]
    public void Blocks_follow_the_shape(long copies, long rows, long columns, int width, int depth, long tiles, long partRows, long parts) =>
        Assert.That(Cut(copies, rows, columns), Is.EqualTo(new ScaledCopiesCut(width, depth, tiles, partRows, parts)));

    [Test]
    public void Every_cut_covers_the_matrix_and_leaves_no_block_empty()
    {
        foreach ((long copies, long rows, long columns) in CopyShapes.All)
        {
            ScaledCopiesCut cut = Cut(copies, rows, columns);
            Assert.That((cut.Width % 32, cut.Threads), Is.EqualTo((0, cut.Width * cut.Depth)));
            Assert.That(cut.Threads, Is.InRange(32, 256));
            Assert.That((cut.Parts * cut.PartRows >= rows, (cut.Parts - 1) * cut.PartRows < rows), Is.EqualTo((true, true)), $"{cut} of {rows} rows");
            Assert.That((cut.Tiles * 8 * cut.Width >= columns, (cut.Tiles - 1) * 8 * cut.Width < columns), Is.EqualTo((true, true)), $"{cut} of {columns} columns");
        }
    }

    private static ScaledCopiesCut Cut(long copies, long rows, long columns)
    {
        var operand = new Operand(1, DType.BFloat16);
        return ScaledCopiesCut.Of(new ScaledCopiesStep(operand, operand, rows, columns) { Label = "test", Stride = columns, Copies = copies }, Processors);
    }
}
