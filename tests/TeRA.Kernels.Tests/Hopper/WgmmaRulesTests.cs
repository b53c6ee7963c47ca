using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Which steps the Hopper kernels take, from plain data: no device.</summary>
internal sealed class WgmmaRulesTests
{
    private static readonly DeviceTraits Ampere = DeviceTraits.H100 with { Architecture = 80 };

    [Test]
    public void The_products_of_a_large_layer_are_taken([Values(4096, 5120, 11008, 14336)] int n, [Values(2048, 8191)] int tokens)
    {
        Assert.That(WgmmaProductRules.Rejection(Product(tokens, n, 4096), DeviceTraits.H100), Is.Null);
    }

    [TestCase(8192, 4096, 4097, "16 bytes")]
    [TestCase(8192, 4100, 4096, "16 bytes")]
    [TestCase(8192, 4096, 0, "empty sum")]
    [TestCase(16, 512, 1024, "too few tiles")]
    public void Others_are_rejected_with_the_reason(int m, int n, int k, string reason) =>
        Assert.That(WgmmaProductRules.Rejection(Product(m, n, k), DeviceTraits.H100), Does.Contain(reason));

    [Test]
    public void Other_devices_and_dtypes_are_rejected()
    {
        MatrixProductStep step = Product(8192, 4096, 4096);
        Assert.That(WgmmaProductRules.Rejection(step, Ampere), Does.Contain("compute capability"));
        Assert.That(WgmmaProductRules.Rejection(step with { A = new Operand(1, DType.Float32) }, DeviceTraits.H100), Does.Contain("float32"));
        Assert.That(WgmmaProductRules.Rejection(step with { AddTo = step.C }, DeviceTraits.H100), Is.Null);
    }

    [TestCase(4096, 4096, 16, TestName = "512 tiles leave 16 of 132 multiprocessors idle for the time of one")]
    [TestCase(3072, 3072, 12, TestName = "384 narrower tiles leave 12")]
    [TestCase(4224, 4096, 0, TestName = "Whole waves leave none")]
    public void The_last_wave_leaves_room(int m, int n, int idle)
    {
        MatrixProductStep step = Product(m, n, 8192) with { LayoutA = Layout.Transposed, LayoutB = Layout.Normal };
        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(step);
        double tile = schedule.Seconds(step) / Math.Ceiling(schedule.Items(step) / 132.0);
        Assert.That(schedule.IdleSeconds(step), Is.EqualTo(idle / 132.0 * tile).Within(1e-12));
        Assert.That(WgmmaProductRules.LeavesIdle(step, DeviceTraits.H100), Is.EqualTo(idle > 0));
        Assert.That(WgmmaProductRules.LeavesIdle(step, Ampere), Is.False);
    }

    [TestCase(4096, 64, TestName = "A short side")]
    [TestCase(256, 512, TestName = "A sum in parts")]
    [TestCase(4096, 4100, TestName = "The portable kernel")]
    public void Other_products_are_not_said_to_leave_room(int m, int n) =>
        Assert.That(WgmmaProductRules.LeavesIdle(Product(m, n, 8192) with { LayoutA = Layout.Transposed, LayoutB = Layout.Normal }, DeviceTraits.H100), Is.False);

    [TestCase(256, 64, "")]
    [TestCase(128, 8, "")]
    [TestCase(4096, 16, "")]
    [TestCase(512, 72, "")]
    [TestCase(64, 64, "blocks of 64 columns")]
    [TestCase(192, 64, "")]
    [TestCase(256, 4, "16 bytes")]
    [TestCase(256, 0, "16 bytes")]
    public void Blocks_are_taken_where_a_tile_lies_in_one(int width, int k, string reason)
    {
        MatrixProductStep step = WithBlocks(width == 192 ? 3840 : 4096, width, k);
        string? rejection = WgmmaProductRules.Rejection(step, DeviceTraits.H100);
        Assert.That(rejection, reason.Length == 0 ? Is.Null : Does.Contain(reason));
        Assert.That(WgmmaProductRules.Rejection(step with { LayoutA = Layout.Transposed }, DeviceTraits.H100), Does.Contain(reason.Length == 0 ? "transposed A" : ""));
        Assert.That(WgmmaProductRules.Rejection(step with { C = new Operand(3, DType.Float32) }, DeviceTraits.H100), Does.Contain(reason.Length == 0 ? "float32" : ""));
    }

    [Test]
    public void A_tile_lies_in_one_block_and_its_sum_is_whole([Values(128, 192, 256, 384, 768)] int width, [Values(16, 128, 8192)] int tokens)
    {
        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(WithBlocks(3840 / width * width, width, 64) with { M = tokens });
        Assert.That(width % schedule.TileN, Is.Zero);
        Assert.That(schedule.Parts, Is.EqualTo(1));
    }

    [TestCase(8192, 4096, 4096, 256, 1, TestName = "Many tiles take the one with the most reuse")]
    [TestCase(3072, 3072, 8192, 192, 1, TestName = "A last wave of few tiles makes them narrower")]
    [TestCase(512, 4096, 4096, 128, 1, TestName = "Half a wave makes them narrower")]
    [TestCase(256, 4096, 4096, 128, 2, TestName = "A quarter of a wave is summed in parts")]
    [TestCase(4096, 4096, 64, 256, 1, TestName = "Short sums stay whole")]
    public void Shapes_choose(long m, long n, long k, int tileN, int parts)
    {
        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(Product(m, n, k));
        Assert.That((schedule.TileN, schedule.Parts), Is.EqualTo((tileN, parts)));
    }

    [TestCase(8192, 1024, 512, true, TestName = "A short launch of several waves overlaps the kernel before")]
    [TestCase(512, 4096, 4096, false, TestName = "A launch of one wave does not overlap the kernel before")]
    [TestCase(8192, 4096, 4096, false, TestName = "A long launch does not overlap the kernel before")]
    public void Launches_overlap_where_it_was_measured_to_help(long m, long n, long k, bool overlaps)
    {
        MatrixProductStep step = Product(m, n, k);
        Assert.That(WgmmaProductSchedule.Choose(step).Overlaps(step), Is.EqualTo(overlaps));
    }

    [Test]
    public void Parts_cover_the_sum_once_in_whole_stages([Values(8, 64, 520, 4096, 100_000)] long k, [Values(8, 128, 1000)] long n, [Values(8, 200, 4096)] long m)
    {
        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(Product(m, n, k));
        Assert.That(schedule.PartLength % WgmmaProductRules.TileK, Is.Zero);
        Assert.That(schedule.Parts * schedule.PartLength, Is.GreaterThanOrEqualTo(k));
        Assert.That((schedule.Parts - 1) * schedule.PartLength, Is.LessThan(k));
    }

    [Test]
    public void Stages_fit_in_shared_memory_and_arguments_have_their_twins_size([Values] bool adds, [Values(128, 192, 256)] int tileN)
    {
        var schedule = new WgmmaProductSchedule(tileN, 1, 64, adds);
        Assert.That(schedule.SharedBytes, Is.LessThanOrEqualTo(227 * 1024));
        Assert.That(schedule.Stages, Is.InRange(3, 6));
        Assert.That(Unsafe.SizeOf<WgmmaProductLauncher.Arguments>(), Is.EqualTo(896));
        Assert.That(Unsafe.SizeOf<WgmmaModesLauncher.Arguments>(), Is.EqualTo(768));
    }

    private static MatrixProductStep WithBlocks(int n, int width, int k) =>
        Product(8192, n, 4096) with { Blocks = new BlockProduct(new Operand(4, DType.BFloat16), new Operand(5, DType.BFloat16), k, width) };

    [Test]
    public void Every_shape_of_the_modes_kernel_fits_the_device()
    {
        foreach (KernelRequest request in WgmmaModesLauncher.Variants.Concat(WgmmaMarginalsLauncher.Variants))
        {
            Assert.That(request.OnlyFor, Is.EqualTo("sm_90a"));
        }

        Assert.That(WgmmaModesLauncher.Variants.Distinct().Count(), Is.EqualTo(WgmmaModesLauncher.Variants.Count()));
    }

    [TestCase(16, 16, 16, 16, 1024, "")]
    [TestCase(16, 16, 16, 8, 63, "fewer than 64 rows")]
    [TestCase(16, 16, 15, 8, 1024, "multiple of 64")]
    [TestCase(80, 16, 16, 8, 1024, "longer than 64")]
    [TestCase(32, 32, 32, 32, 1024, "shared memory")]
    public void Modes_are_judged_by_their_lengths(int first, int second, int third, int rank, int rows, string reason)
    {
        ImmutableArray<KroneckerMode> modes = [.. new[] { first, second, third }.Select(length => new KroneckerMode(1, length, rank, true))];
        var step = new KroneckerStep(new Operand(1, DType.BFloat16), new Operand(2, DType.BFloat16), rows, 1, modes, new RandomSource(1, Distribution.Normal)) { Label = "P" };
        WgmmaModesShape? shape = WgmmaModesShape.Choose(step, DeviceTraits.H100, out string rejection);
        Assert.That(rejection, reason.Length == 0 ? Is.Empty : Does.Contain(reason));
        Assert.That(shape is null, Is.EqualTo(reason.Length > 0));
        Assert.That(WgmmaModesShape.Choose(step, Ampere, out rejection), Is.Null);
        Assert.That(rejection, Does.Contain("compute capability"));
    }

    // Rows of 32 t are 64 bytes; few rows are cut shorter, so that every processor gets a tile.
    [TestCase(16, 4096, "tile 128×512, 4 stages")]
    [TestCase(8, 4096, "tile 128×256, 6 stages")]
    [TestCase(8, 512, "tile 128×128, 6 stages")]
    public void Transposed_rows_are_as_long_as_the_processors_allow(int rank, int rows, string tile)
    {
        ImmutableArray<KroneckerMode> modes = [.. Enumerable.Range(1, 3).Select(m => new KroneckerMode((uint)m, 16, rank, false))];
        Operand operand = new(1, DType.BFloat16);
        var step = new KroneckerStep(operand, operand, rows, 1, modes, new RandomSource(1, Distribution.Normal)) { Label = "W", TransposedOutput = true };
        Assert.That(WgmmaModesShape.Choose(step, DeviceTraits.H100, out _)!.ToString(), Does.Contain(tile));
    }

    [TestCase(8)]
    [TestCase(16)]
    public void On_Hopper_a_weight_is_built_from_transposed_rows_and_elsewhere_not(long rank)
    {
        ImmutableArray<long> modes = [16, 16, 16], ranks = [rank, rank, rank];
        LayerProblem problem = new(8192, 4096, 4096, DType.BFloat16) { Update = new TeraUpdate(modes, ranks, modes, ranks) };
        Assert.That(Halves(problem, DeviceTraits.H100), Has.Length.EqualTo(2).And.All.Matches<KroneckerStep>(step => step.TransposedOutput));
        Assert.That(Halves(problem, Ampere), Has.Length.EqualTo(2).And.None.Matches<KroneckerStep>(step => step.TransposedOutput));
    }

    private static KroneckerStep[] Halves(LayerProblem problem, DeviceTraits traits) =>
        [.. LayerPlanner.Build(problem, traits, withBase: true).Steps.OfType<KroneckerStep>()];

    private static MatrixProductStep Product(long m, long n, long k) =>
        new(new Operand(1, DType.BFloat16), new Operand(2, DType.BFloat16), new Operand(3, DType.BFloat16), m, n, k) { Label = "Y", LayoutB = Layout.Transposed };
}
