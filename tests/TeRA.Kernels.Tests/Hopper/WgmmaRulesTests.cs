using System.Collections.Immutable;
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
    [TestCase(8192, 4096, 56, "below 64")]
    [TestCase(16, 4096, 4096, "too few tiles")]
    public void Others_are_rejected_with_the_reason(int m, int n, int k, string reason) =>
        Assert.That(WgmmaProductRules.Rejection(Product(m, n, k), DeviceTraits.H100), Does.Contain(reason));

    [Test]
    public void Other_devices_and_dtypes_are_rejected()
    {
        MatrixProductStep step = Product(8192, 4096, 4096);
        Assert.That(WgmmaProductRules.Rejection(step, Ampere), Does.Contain("compute capability"));
        Assert.That(WgmmaProductRules.Rejection(step with { A = new Operand(1, DType.Float32) }, DeviceTraits.H100), Does.Contain("float32"));
        Assert.That(WgmmaProductRules.Rejection(step with { AddTo = step.C }, DeviceTraits.H100), Does.Contain("adds"));
    }

    [Test]
    public void Every_shape_of_the_modes_kernel_fits_the_device()
    {
        foreach (KernelRequest request in WgmmaModesLauncher.Variants)
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

    [TestCase(8)]
    [TestCase(16)]
    public void On_Hopper_a_weight_is_built_from_transposed_rows_and_elsewhere_not(long rank)
    {
        ImmutableArray<long> modes = [16, 16, 16], ranks = [rank, rank, rank];
        LayerProblem problem = new(8192, 4096, 4096, DType.BFloat16) { Update = new TeraUpdate(modes, ranks, modes, ranks) };
        Assert.That(Halves(problem, DeviceTraits.H100), Has.Length.EqualTo(2).And.All.Matches<KroneckerStep>(step => step.TransposedOutput));
        Assert.That(Halves(problem, Ampere), Has.Length.EqualTo(2).And.None.Matches<KroneckerStep>(step => step.TransposedOutput));
    }

    // Measured with eight layers on an H100: 169 µs a layer merged, 195 µs factored.
    [Test]
    public void At_two_thousand_tokens_the_merged_path_is_predicted_to_be_faster_as_it_is()
    {
        ImmutableArray<long> modes = [16, 16, 16], ranks = [8, 8, 8];
        LayerProblem problem = new(2048, 4096, 4096, DType.BFloat16) { Update = new TeraUpdate(modes, ranks, modes, ranks) };
        Assert.That(LayerPlanner.Plan(problem, DeviceTraits.H100).Path, Is.EqualTo(ExecutionPath.Merged));
    }

    private static KroneckerStep[] Halves(LayerProblem problem, DeviceTraits traits) =>
        [.. LayerPlanner.Build(problem, traits, withBase: true).Steps.OfType<KroneckerStep>()];

    private static MatrixProductStep Product(long m, long n, long k) =>
        new(new Operand(1, DType.BFloat16), new Operand(2, DType.BFloat16), new Operand(3, DType.BFloat16), m, n, k) { Label = "Y", LayoutB = Layout.Transposed };
}
