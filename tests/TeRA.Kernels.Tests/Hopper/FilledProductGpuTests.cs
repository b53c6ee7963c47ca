using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Random numbers that are begun before a product has ended: both have the bits that they have one after the other, whatever their sizes, and on every run.</summary>
internal sealed class FilledProductGpuTests : HopperFixture
{
    private static readonly Distribution[] Distributions = [Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(0.25)];

    // Products whose last wave is ragged, full and all there is, in parts, with a short side, and by the portable kernel; numbers that end in a vector, fill tiles, and are few.
    private static readonly (long M, long N, long K, long R, long S)[] Sizes =
        [(1032, 1544, 72, 3163, 317), (3072, 3072, 520, 4096, 1024), (4224, 4096, 256, 1, 1), (200, 1032, 8200, 2048, 2048), (4096, 64, 1024, 3, 43), (1032, 1548, 72, 2048, 1024), (4096, 4096, 1024, 4096, 4096)];

    [TestCaseSource(nameof(Distributions))]
    public void Both_are_what_they_are_apart(Distribution distribution)
    {
        foreach ((long, long, long, long, long) size in Sizes)
        {
            AssertSameApart(size, distribution, 1 / distribution.Unit);
        }

        AssertSameApart(Sizes[0], distribution, 0.3f);
    }

    [Test]
    public void Addresses_that_miss_16_bytes_are_served_too([Values(2, 8)] int misalignment) => AssertSameApart(Sizes[1], Distribution.Normal, 1, misalignment);

    // What comes after them reads both, and both are set back while the device still works for another stream.
    [TestCase(1032, 1544, 72)]
    [TestCase(1032, 1548, 72)]
    [TestCase(72, 1000, 4104)]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits(int m, int n, int k)
    {
        using var run = new StepRunner(Gpu);
        FilledProductStep step = Bind(run, (m, n, k, 2048, 317), Distribution.Normal, 1);
        Repeats.Assert(Gpu, run, step, step.Product.C, step.Fill.Output);
        Assert.That(run.Description, Does.Contain("fill_random").And.Contain("early"));
    }

    // Short numbers after a long product: the copy, which waits for the numbers alone, must find the product done.
    [Test]
    public void Whoever_waits_for_the_numbers_waits_for_the_product()
    {
        using var run = new StepRunner(Gpu);
        FilledProductStep step = Bind(run, (4096, 4096, 4096, 8, 8), Distribution.Normal, 1);
        long count = step.Product.M * step.Product.N;
        Operand copy = run.Output("copy", DType.Float32, count);
        run.Run(step);
        CompiledStep both = Gpu.Compile(step), convert = Gpu.Compile(new ConvertStep(step.Product.C, copy, count) { Label = "copy" });
        nint[] addresses = [0, .. Enumerable.Range(1, run.Slots).Select(run.AddressOf)];
        double[] expected = run.Read(step.Product.C);
        for (int i = 0; i < 20; i++)
        {
            run.Reset();
            both.Run(addresses, default);
            convert.Run(addresses, default);
            Check.That(Comparer.Exact("copy", run.Read(copy), expected), $"run {i}: {both.Description}, {convert.Description}");
        }
    }

    private static void AssertSameApart((long, long, long, long, long) size, Distribution distribution, double scale, int misalignment = 0)
    {
        using StepRunner run = new(Gpu) { Misalignment = misalignment }, apart = new(Gpu) { Misalignment = misalignment };
        FilledProductStep step = Bind(run, size, distribution, scale), same = Bind(apart, size, distribution, scale);
        run.Run(step);
        apart.Run(same.Fill);
        apart.Run(same.Product);
        string what = $"{size}, {distribution}, {scale}: {run.Description}";
        Check.That(Comparer.SameBits("product", run.ReadBytes(step.Product.C.Slot), apart.ReadBytes(same.Product.C.Slot)), what);
        Check.That(Comparer.SameBits("numbers", run.ReadBytes(step.Fill.Output.Slot), apart.ReadBytes(same.Fill.Output.Slot)), what);
        Assert.That(run.Description, Does.Contain(" + fill_random").And.EndWith(", early"));
    }

    private static FilledProductStep Bind(StepRunner run, (long M, long N, long K, long R, long S) size, Distribution distribution, double scale)
    {
        (long m, long n, long k, long r, long s) = size;
        Operand a = run.Input("A", DType.BFloat16, SeededValues.Normal(m * k, 1, DType.BFloat16)), b = run.Input("B", DType.BFloat16, SeededValues.Normal(k * n, 2, DType.BFloat16));
        Operand c = run.Output("C", DType.BFloat16, m * n), numbers = run.Output("G", DType.BFloat16, r * s);
        var fill = new FillRandomStep(numbers, new CoreSource(new RandomSource(0xFEEDFACE12345678, distribution), 6, r, s)) { Label = "G", Scale = scale };
        return new FilledProductStep(new MatrixProductStep(a, b, c, m, n, k) { Label = "C", LayoutA = Layout.Transposed, Alpha = 0.3f }, fill) { Label = "both" };
    }
}
