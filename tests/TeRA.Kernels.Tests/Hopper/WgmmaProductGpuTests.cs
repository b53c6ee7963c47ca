using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Matrix products by wgmma: exact on integers in every layout, ragged at every edge, within the bounds of the step tests, and repeatable.</summary>
internal sealed class WgmmaProductGpuTests : HopperProductFixture
{
    /// <summary>Multiples of eight around the edges of 128×256×64 tiles, and enough tiles for the kernel to be chosen.</summary>
    internal static readonly (long M, long N, long K)[] Sizes = [(1024, 1536, 64), (1032, 1544, 72), (904, 1800, 136)];

    [Test]
    public void Integers_are_exact(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b)
    {
        foreach ((long, long, long) size in Sizes)
        {
            Assert.That(Exact(dtype, size, a, b), Does.StartWith("wgmma_product"));
        }
    }

    // Tiles of every width, and a sum in parts.
    [TestCase(3072, 3072, 520, "128×192×64")]
    [TestCase(512, 4104, 200, "128×128×64")]
    [TestCase(1000, 4096, 64, "128×256×64")]
    [TestCase(200, 1032, 8200, "split_sum")]
    [TestCase(72, 1000, 4104, "split_sum")]
    public void Every_cut_is_exact(int m, int n, int k, string cut)
    {
        foreach (DType dtype in DTypes)
        {
            Assert.That(Exact(dtype, (m, n, k), Layout.Transposed, Layout.Normal, limit: 1), Does.StartWith("wgmma_product").And.Contain(cut));
            Assert.That(Exact(dtype, (m, n, k), Layout.Normal, Layout.Transposed, addend: Addend.InPlace, limit: 1), Does.StartWith("wgmma_product"));
            Assert.That(Exact(dtype, (m, n, k), Layout.Normal, Layout.Normal, DType.Float32, addend: Addend.Apart, limit: 1), Does.StartWith("wgmma_product"));
        }
    }

    [Test]
    public void An_addend_is_added_once_in_place_and_from_elsewhere(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout a, [ValueSource(nameof(Layouts))] Layout b, [Values] bool inPlace)
    {
        foreach ((long M, long N, long K) size in new[] { (1024L, 1536L, 8L), (1032, 1544, 72), (1400, 3848, 264), (4096, 4096, 64) })
        {
            Assert.That(
                Exact(dtype, size, a, b, addend: inPlace ? Addend.InPlace : Addend.Apart), Does.StartWith("wgmma_product").And.Contain("addend"));
        }
    }

    // Blocks as wide as one tile, as two, of 128 columns, and one ragged block of all columns.
    [TestCase(1032, 2048, 136, 256, 64)]
    [TestCase(1027, 1536, 64, 512, 8)]
    [TestCase(904, 1152, 72, 128, 72)]
    [TestCase(1032, 1544, 72, 1544, 16)]
    [TestCase(520, 4096, 64, 4096, 136)]
    public void Blocks_are_exact(int m, int n, int k, int width, int depth)
    {
        foreach (DType dtype in DTypes)
        {
            foreach (Layout b in Layouts)
            {
                foreach (Layout layout in Layouts)
                {
                    foreach (Addend addend in new[] { Addend.None, Addend.InPlace })
                    {
                        string ran = Exact(dtype, (m, n, k), Layout.Normal, b, addend: addend, blocks: (width, depth, layout));
                        Assert.That(ran, Does.StartWith("wgmma_product").And.Contain("by blocks"));
                    }
                }
            }
        }
    }

    [Test]
    public void A_float32_result_is_exact_and_can_be_added_to([ValueSource(nameof(DTypes))] DType dtype, [Values] Addend addend) =>
        Assert.That(Exact(dtype, (1032, 1541, 72), Layout.Normal, Layout.Transposed, DType.Float32, addend), Does.StartWith("wgmma_product"));

    [Test]
    public void An_odd_number_of_rows_needs_no_padding([ValueSource(nameof(DTypes))] DType dtype) =>
        Assert.That(Exact(dtype, (1027, 1544, 72), Layout.Normal, Layout.Transposed), Does.StartWith("wgmma_product"));

    [Test]
    public void Addresses_that_miss_16_bytes_are_served_too([Values(2, 4, 8)] int misalignment) =>
        Exact(DType.BFloat16, (1032, 1544, 72), Layout.Normal, Layout.Transposed, misalignment: misalignment);

    [Test]
    public void Bias_is_optional() => Exact(DType.BFloat16, (1032, 1544, 72), Layout.Normal, Layout.Normal, bias: false);

    [Test]
    public void Normal_numbers_are_within_the_bounds([ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Layouts))] Layout b)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, dtype, b);
        run.Run(bound.Step);
        Assert.That(run.Description, Does.StartWith("wgmma_product"));
        Check.That(StepBounds.Compare(run, bound, c, dtype), run.Description);
    }

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits([Values("plain", "blocks and addend", "parts")] string variant)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand c) = Normal(run, DType.BFloat16, Layout.Transposed);
        var step = (MatrixProductStep)bound.Step;
        if (variant == "blocks and addend")
        {
            (long m, long n, _, long width, long depth) = (step.M, step.N, step.K, step.N, 72L);
            Operand a = run.Input("A2", DType.BFloat16, SeededValues.Normal(m * n / width * depth, 3, DType.BFloat16));
            Operand b = run.Input("B2", DType.BFloat16, SeededValues.Normal(depth * width, 4, DType.BFloat16));
            step = step with
            {
                Blocks = new BlockProduct(a, b, depth, width),
                AddTo = run.Input("addend", DType.BFloat16, SeededValues.Normal(m * n, 5, DType.BFloat16)),
            };
        }
        else if (variant == "parts")
        {
            const long m = 136, n = 904, k = 4104;
            Operand a = run.Input("long A", DType.BFloat16, SeededValues.Normal(m * k, 1, DType.BFloat16));
            c = run.Output("small C", DType.BFloat16, m * n);
            step = new MatrixProductStep(a, run.Input("long B", DType.BFloat16, SeededValues.Normal(k * n, 2, DType.BFloat16)), c, m, n, k) { Label = "parts" };
        }

        AssertRepeats(run, step, c);
        Assert.That(run.Description, Does.StartWith("wgmma_product").And.Contain(variant switch { "plain" => "A·Bᵀ", "parts" => "split_sum", _ => "by blocks + addend" }));
    }

    private static (BoundStep Bound, Operand C) Normal(StepRunner run, DType dtype, Layout b)
    {
        const long m = 904, n = 1800, k = 136;
        Operand left = run.Input("A", dtype, SeededValues.Normal(m * k, 1, dtype)), right = run.Input("B", dtype, SeededValues.Normal(k * n, 2, dtype));
        Operand c = run.Output("C", dtype, m * n);
        var step = new MatrixProductStep(left, right, c, m, n, k) { Label = "normal", LayoutB = b, Alpha = 0.3f };
        return (new BoundStep(step, [c], StepAccuracy.Sum), c);
    }
}
