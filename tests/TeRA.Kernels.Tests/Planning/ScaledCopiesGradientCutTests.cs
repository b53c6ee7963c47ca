using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>How the sums of scaled copies' gradients are cut into blocks, from the shape alone: no device.</summary>
internal sealed class ScaledCopiesGradientCutTests
{
    // RandLoRA's matrices need no second kernel; VeRA's one copy is cut so that its parts fill a large GPU.
    [TestCase(128, 32, 4096, 1024, 1, 1, 32, 1)]
    [TestCase(160, 32, 5120, 448, 1, 3, 32, 1)]
    [TestCase(1, 4096, 256, 64, 8, 1, 32, 128)]
    [TestCase(1, 14336, 256, 64, 16, 1, 112, 128)]
    [TestCase(1, 40000, 64, 32, 32, 1, 128, 313)]
    [TestCase(1, 3, 5, 32, 8, 1, 32, 1)]
    public void Blocks_follow_the_shape(long copies, long rows, long columns, int width, int depth, long tiles, long partRows, long parts) =>
        Assert.That(Cut(copies, rows, columns), Is.EqualTo(new ScaledCopiesGradientCut(width, depth, tiles, partRows, parts)));

    [Test]
    public void Every_cut_covers_the_matrix_leaves_no_block_empty_and_fits_a_block()
    {
        foreach ((long copies, long rows, long columns) in CopyShapes.All)
        {
            ScaledCopiesGradientCut cut = Cut(copies, rows, columns);
            Assert.That(cut.Threads, Is.InRange(32, 1024).And.EqualTo(cut.Width * cut.Depth));
            Assert.That((cut.Width % 32, cut.SharedBytes <= 48 * 1024), Is.EqualTo((0, true)));
            Assert.That((cut.Parts * cut.PartRows >= rows, (cut.Parts - 1) * cut.PartRows < rows), Is.EqualTo((true, true)), $"{cut} of {rows} rows");
            Assert.That((cut.Tiles * 4 * cut.Width >= columns, (cut.Tiles - 1) * 4 * cut.Width < columns), Is.EqualTo((true, true)), $"{cut} of {columns} columns");
        }
    }

    private static ScaledCopiesGradientCut Cut(long copies, long rows, long columns)
    {
        var float32 = new Operand(1, DType.Float32);
        return ScaledCopiesGradientCut.Of(new ScaledCopiesGradientStep(float32, float32, float32, float32, float32, float32, rows, columns)
        {
            Label = "test", Stride = columns, Copies = copies,
        });
    }
}
