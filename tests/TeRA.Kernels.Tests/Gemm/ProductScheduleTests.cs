using System.Runtime.CompilerServices;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>Which kernel and how many blocks a product gets: pure functions of the shape.</summary>
internal sealed class ProductScheduleTests
{
    // The least that a supported architecture offers a block (sm_86, sm_89, sm_120): 99 KiB.
    private const int LeastSharedBytes = 99 * 1024;

    private static readonly long[] Lengths = [0, 1, 16, 63, 64, 65, 128, 1000, 4096, 14336, 1 << 20];

    [TestCase(4096, 4096, 4096, 128, 1, TestName = "Large products take large tiles")]
    [TestCase(1281, 1281, 64, 128, 1, TestName = "A hundred and more large tiles are enough")]
    [TestCase(512, 512, 512, 64, 1, TestName = "Few large tiles become small ones")]
    [TestCase(16, 4096, 8192, 64, 2, TestName = "The gradient of a thin factor is summed in parts")]
    [TestCase(16, 16, 100_000, 64, 63, TestName = "A single tile with a long sum is summed in many parts")]
    [TestCase(16, 16, 1000, 64, 1, TestName = "Short sums stay whole")]
    [TestCase(0, 16, 100_000, 64, 63, TestName = "An empty output has no tiles")]
    public void Shapes_choose(long m, long n, long k, int tile, int parts)
    {
        ProductSchedule schedule = MatrixProductLauncher.Schedule(Product(m, n, k));
        Assert.Multiple(() =>
        {
            Assert.That(schedule.Config.Tile.M, Is.EqualTo(tile));
            Assert.That(schedule.Parts, Is.EqualTo(parts));
            Assert.That(schedule.TilesM, Is.EqualTo((m + tile - 1) / tile));
            Assert.That(schedule.TilesN, Is.EqualTo((n + tile - 1) / tile));
        });
    }

    [Test]
    public void Parts_cover_the_sum_once_in_whole_stages([ValueSource(nameof(Lengths))] long k, [ValueSource(nameof(Lengths))] long n)
    {
        foreach (DType dtype in ProductKernels.DTypes)
        {
            ProductSchedule schedule = MatrixProductLauncher.Schedule(Product(64, n, k, dtype));
            Assert.Multiple(() =>
            {
                Assert.That(schedule.PartLength % schedule.Config.Tile.K, Is.Zero);
                Assert.That(schedule.Parts * schedule.PartLength, Is.GreaterThanOrEqualTo(k));
                Assert.That((schedule.Parts - 1) * schedule.PartLength, k == 0 ? Is.Zero : Is.LessThan(k));
                Assert.That(SplitSumLauncher.WorkspaceBytes(schedule, 64, n), Is.EqualTo(schedule.Parts == 1 ? 0 : schedule.Parts * 64 * n * 4));
            });
        }
    }

    [Test]
    public void Every_choice_is_a_listed_variant()
    {
        HashSet<KernelRequest> listed = [.. StepLauncher.Variants];
        foreach (DType dtype in ProductKernels.DTypes)
        {
            foreach (long size in Lengths.Where(length => length <= 14336))
            {
                var operand = new Operand(1, dtype);
                var core = new CoreSource(new RandomSource(1, Distribution.Normal), 0, size, 64);
                ProductConfig projection = CoreProjectionLauncher.Schedule(
                    new CoreProjectionStep(operand, operand, operand, operand, operand, operand, 64, core) { Label = "test" }).Config;
                Assert.That(listed, Does.Contain(new KernelRequest("gemm/core_projection.cu", "core_projection", projection.Options)));
                foreach (bool flag in ProductKernels.Either)
                {
                    ProductConfig product = MatrixProductLauncher.Schedule(Product(size, size, 64, dtype) with { LayoutA = flag ? Layout.Transposed : Layout.Normal }).Config;
                    Assert.That(listed, Does.Contain(new KernelRequest("gemm/matrix_product.cu", "matrix_product", product.Options)));
                    ProductConfig generated = CoreProductLauncher.Schedule(new CoreProductStep(operand, operand, size, core) { Label = "test", OverRows = flag }).Config;
                    Assert.That(listed, Does.Contain(new KernelRequest("gemm/core_product.cu", "core_product", generated.Options)));
                    Assert.That(new[] { product, generated, projection }.Select(config => config.SharedBytes), Is.All.LessThanOrEqualTo(LeastSharedBytes));
                }
            }
        }
    }

    [Test]
    public void Argument_structs_have_the_sizes_of_their_twins() => Assert.Multiple(() =>
    {
        Assert.That(Unsafe.SizeOf<ProductOutputArguments>(), Is.EqualTo(64));
        Assert.That(Unsafe.SizeOf<CoreArguments>(), Is.EqualTo(40));
        Assert.That(Unsafe.SizeOf<MatrixProductLauncher.Arguments>(), Is.EqualTo(136));
        Assert.That(Unsafe.SizeOf<CoreProductLauncher.Arguments>(), Is.EqualTo(144));
        Assert.That(Unsafe.SizeOf<CoreProjectionLauncher.Arguments>(), Is.EqualTo(112));
        Assert.That(Unsafe.SizeOf<CoreSumLauncher.Arguments>(), Is.EqualTo(64));
        Assert.That(Unsafe.SizeOf<CoreMarginalsPass.Arguments>(), Is.EqualTo(96));
        Assert.That(Unsafe.SizeOf<Diagonal>(), Is.EqualTo(96));
        Assert.That(Unsafe.SizeOf<CoreExpansionArguments>(), Is.EqualTo(144 + (2 * 96)));
        Assert.That(Unsafe.SizeOf<KroneckerMatrixArguments>(), Is.EqualTo(64 + (32 * 48)));
    });

    [Test]
    public void Dtypes_that_no_kernel_takes_are_refused_by_name() => Assert.Multiple(() =>
    {
        MatrixProductStep product = Product(1, 1, 1);
        Assert.That(Create(product with { A = new Operand(1, DType.Float64) }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("A is float64"));
        Assert.That(Create(product with { B = new Operand(1, DType.Float16) }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("B is float16"));
        Assert.That(Create(product with { C = new Operand(1, DType.Float16) }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("C is float16"));
        Assert.That(Create(product with { Bias = new Operand(1, DType.Float32) }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("Bias is float32"));
    });

    private static Action Create(MatrixProductStep step) => () => _ = new MatrixProductLauncher(null!, step);

    private static MatrixProductStep Product(long m, long n, long k, DType dtype = DType.BFloat16) =>
        new(new Operand(1, dtype), new Operand(2, dtype), new Operand(3, dtype), m, n, k) { Label = "test" };
}
