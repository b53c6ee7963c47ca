using System.Reflection;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>
/// The sizes of the tests that expect one of Hopper's kernels, held against the rules that choose it: a rule that changes is noticed here, without a GPU.
/// </summary>
internal sealed class HopperSizesTests
{
    private static readonly Operand Half = new(1, DType.BFloat16);

    public static IEnumerable<(long R, long S, long Tokens)> ProjectionSizes => WgmmaProjectionGpuTests.Sizes;

    public static IEnumerable<(long M, long N, long K)> ProductSizes => WgmmaProductGpuTests.Sizes;

    public static IEnumerable<TestCaseData> Cuts => Arguments<WgmmaProductGpuTests>(nameof(WgmmaProductGpuTests.Every_cut_is_exact));

    public static IEnumerable<TestCaseData> Blocks => Arguments<WgmmaProductGpuTests>(nameof(WgmmaProductGpuTests.Blocks_are_exact));

    public static IEnumerable<(long Long, long Short, long K)> ThinSizes => WgmmaThinProductGpuTests.Sizes;

    public static IEnumerable<TestCaseData> OddSides => Arguments<WgmmaThinProductGpuTests>(nameof(WgmmaThinProductGpuTests.Odd_sides_need_no_padding));

    public static IEnumerable<TestCaseData> Modes => WgmmaModesGpuTests.Cases();

    public static IEnumerable<TestCaseData> Prepared => WgmmaModesGpuTests.PreparedCases();

    [TestCaseSource(nameof(ProjectionSizes))]
    public void Projections_are_taken((long R, long S, long Tokens) size)
    {
        var source = new CoreSource(new RandomSource(11, Distribution.Rademacher), 5, size.R, size.S);
        Operand vector = new(2, DType.Float32);
        var step = new CoreProjectionStep(Half, Half, vector, vector, vector, vector, size.Tokens, source) { Label = "projection" };
        Assert.That(WgmmaProjectionLauncher.Rejection(step, DeviceTraits.H100), Is.Null);
    }

    [TestCaseSource(nameof(ProductSizes))]
    public void Products_are_taken((long M, long N, long K) size) => AssertTaken(Product(size.M, size.N, size.K));

    [TestCaseSource(nameof(Cuts))]
    public void Products_are_cut_as_expected(int m, int n, int k, string cut)
    {
        MatrixProductStep step = Product(m, n, k) with { LayoutA = Layout.Transposed, LayoutB = Layout.Normal };
        AssertTaken(step);
        WgmmaProductSchedule schedule = WgmmaProductSchedule.Choose(step);
        Assert.That($"128×{schedule.TileN}×64{(schedule.Parts > 1 ? " + split_sum" : "")}", Does.Contain(cut));
    }

    [TestCaseSource(nameof(Blocks))]
    public void Products_with_blocks_are_taken(int m, int n, int k, int width, int depth) =>
        AssertTaken(Product(m, n, k) with { Blocks = new BlockProduct(Half, Half, depth, width) });

    [TestCaseSource(nameof(ThinSizes))]
    public void Thin_products_are_taken((long Long, long Short, long K) size)
    {
        AssertTakenThin(Product(size.Long, size.Short, size.K));
        AssertTakenThin(Product(size.Short, size.Long, size.K));
    }

    [TestCaseSource(nameof(OddSides))]
    public void Odd_sides_are_taken(long m, long n, long k) => AssertTakenThin(Product(m, n, k));

    [TestCaseSource(nameof(Modes))]
    public void Modes_are_taken(long rows, (long, long)[] modes, WgmmaModesGpuTests.Form form, DType dtype)
    {
        using var run = new StepRunner(CpuDevice.Shared);
        var step = (KroneckerStep)WgmmaModesGpuTests.Bind(run, rows, modes, form, dtype, integers: true).Bound.Step;
        Assert.That(WgmmaModesShape.Choose(step, DeviceTraits.H100, out string rejection), Is.Not.Null, rejection);
    }

    [TestCaseSource(nameof(Prepared))]
    public void Prepared_modes_are_taken(long rows, (long, long)[] modes, WgmmaModesGpuTests.Form form, DType dtype)
    {
        using var run = new StepRunner(CpuDevice.Shared);
        var step = (KroneckerStep)WgmmaModesGpuTests.Bind(run, rows, modes, form, dtype, integers: true).Bound.Step;
        Assert.That(WgmmaModesShape.Choose(step, DeviceTraits.H100, out string rejection), Has.Property(nameof(WgmmaModesShape.Prepared)).False, rejection);
        Assert.That(WgmmaModesShape.Choose(step with { Prepared = new PreparedFactors(Half, Half) }, DeviceTraits.H100, out _), Has.Property(nameof(WgmmaModesShape.Prepared)).True);
    }

    private static IEnumerable<TestCaseData> Arguments<TFixture>(string method) =>
        typeof(TFixture).GetMethod(method)!.GetCustomAttributes<TestCaseAttribute>().Select(test => new TestCaseData(test.Arguments));

    private static void AssertTaken(MatrixProductStep step)
    {
        Assert.That(WgmmaThinProductRules.Rejection(step, DeviceTraits.H100), Is.Not.Null);
        Assert.That(WgmmaProductRules.Rejection(step, DeviceTraits.H100), Is.Null);
    }

    private static void AssertTakenThin(MatrixProductStep step) => Assert.That(WgmmaThinProductRules.Rejection(step, DeviceTraits.H100), Is.Null);

    // Both operands contiguous in K, as most tests have them.
    private static MatrixProductStep Product(long m, long n, long k) => new(Half, Half, Half, m, n, k) { Label = "size", LayoutB = Layout.Transposed };
}
