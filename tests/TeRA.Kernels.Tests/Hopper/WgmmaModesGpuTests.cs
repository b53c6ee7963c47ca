using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>Kronecker products by wgmma, every form and the shapes of real layers: exact on signs, within the step tests' bounds on normal numbers, repeatable.</summary>
internal sealed class WgmmaModesGpuTests : HopperFixture
{
    private static readonly DType[] DTypes = [DType.BFloat16, DType.Float16];

    /// <summary>Rows, then features and ranks of the modes.</summary>
    private static readonly (long Rows, (long Features, long Rank)[] Modes)[] Shapes =
    [
        (72, [(16, 8), (16, 8), (16, 8)]),
        (136, [(16, 16), (8, 8), (8, 8)]),
        (64, [(8, 8), (16, 16), (16, 16)]),
        (64, [(16, 16), (16, 16), (16, 16)]),
        (72, [(28, 8), (32, 8), (16, 8)]),
        (80, [(20, 8), (16, 8), (16, 8)]),
        (88, [(12, 12), (16, 8), (8, 16)]),
        (72, [(43, 8), (16, 8), (16, 8)]),
        (64, [(43, 43), (8, 8), (8, 8)]),
        (200, [(7, 5), (4, 4), (8, 4), (2, 4)]),
        (72, [(8, 8), (2, 2), (4, 4), (8, 8)]),
    ];

    private static readonly Form[] TransposedForms = [Form.CoreTransposed, Form.Transposed, Form.AddTransposed];

    private static readonly (long Features, long Rank)[] Small = [(16, 8), (8, 8), (8, 8)];

    public static IEnumerable<TestCaseData> Cases()
    {
        foreach ((long rows, (long Features, long Rank)[] modes) in Shapes)
        {
            foreach (Form form in Enum.GetValues<Form>().Where(form => form != Form.CoreTransposed || modes[0].Rank <= 32))
            {
                yield return new TestCaseData(rows, modes, form, modes[0].Features == 16 ? DType.Float16 : DType.BFloat16)
                    .SetArgDisplayNames($"{rows}x[{string.Join('.', modes)}]", form.ToString());
            }
        }
    }

    public static IEnumerable<TestCaseData> PreparedCases() =>
        from shape in Shapes.Append((4096, [(16, 16), (16, 16), (16, 16)])).Append((128, [(8, 8), (16, 16), (32, 32)]))
        from form in TransposedForms
        where form != Form.CoreTransposed || shape.Modes[0].Rank <= 32
        let dtype = shape.Modes[0].Features == 16 ? DType.Float16 : DType.BFloat16
        select new TestCaseData(shape.Rows, shape.Modes, form, dtype).SetArgDisplayNames($"{shape.Rows}x[{string.Join('.', shape.Modes)}]", form.ToString());

    public static IEnumerable<TestCaseData> MarginalCases() =>
        from shape in Shapes.Append((4096, [(16, 16), (16, 16), (16, 16)]))
        from dtype in DTypes
        select new TestCaseData(shape.Rows, shape.Modes, dtype).SetArgDisplayNames($"{shape.Rows}x[{string.Join('.', shape.Modes)}]", dtype.Label());

    // Every number is exact in float32, so the CPU device gives the exact result and its one rounding.
    [TestCaseSource(nameof(Cases))]
    public void Signs_give_the_bits_of_the_CPU(long rows, (long, long)[] modes, Form form, DType dtype) => SameAsCpu(rows, modes, form, dtype);

    // Ternary and normal factors: a number that was rounded twice, or scaled in another order, would show.
    [TestCaseSource(nameof(PreparedCases))]
    public void Prepared_factors_give_the_same_bits(long rows, (long, long)[] modes, Form form, DType dtype)
    {
        foreach (bool ternary in new[] { false, true })
        {
            using var run = new StepRunner(Gpu);
            (BoundStep bound, Operand output) = Bind(run, rows, modes, form, dtype, integers: false, ternary: ternary);
            var step = (KroneckerStep)bound.Step;
            run.Run(step);
            Assert.That(run.Description, Does.StartWith("wgmma_modes").And.Not.Contain("prepared"));
            byte[] expected = run.ReadBytes(output.Slot);
            run.Reset();
            run.Run(Prepare(run, step));
            Assert.That(run.Description, Does.StartWith("wgmma_modes").And.Contain("prepared"));
            Check.That(Comparer.SameBits("output", run.ReadBytes(output.Slot), expected), run.Description);
        }
    }

    [TestCaseSource(nameof(MarginalCases))]
    public void Prepared_factors_give_the_same_marginals(long rows, (long, long)[] modes, DType dtype)
    {
        using var run = new StepRunner(Gpu);
        BoundStep bound = ContractedMarginals.Bind(run, rows, modes, dtype, integers: false);
        var step = (CoreMarginalsStep)bound.Step;
        run.Run(step);
        Assert.That(run.Description, Does.Not.Contain("prepared"));
        byte[][] expected = [.. bound.Outputs.Select(output => run.ReadBytes(output.Slot))];
        run.Reset();
        run.Run(step with { Contraction = Prepare(run, step.Contraction!) });
        Assert.That(run.Description, Does.StartWith("wgmma_modes").And.Contain("prepared"));
        for (int i = 0; i < expected.Length; i++)
        {
            Check.That(Comparer.SameBits($"output {i}", run.ReadBytes(bound.Outputs[i].Slot), expected[i]), run.Description);
        }
    }

    [Test]
    public void A_thousand_runs_with_prepared_factors_give_the_same_bits([ValueSource(nameof(TransposedForms))] Form form)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand output) = Bind(run, 136, Small, form, DType.BFloat16, integers: false);
        AssertRepeats(run, Prepare(run, (KroneckerStep)bound.Step), output);
    }

    [Test]
    public void Normal_numbers_are_within_the_bounds([Values] Form form, [ValueSource(nameof(DTypes))] DType dtype)
    {
        foreach ((long Features, long Rank)[] modes in new[] { Small, [(7, 5), (4, 4), (8, 4), (2, 4)] })
        {
            using var run = new StepRunner(Gpu);
            (BoundStep bound, Operand output) = Bind(run, 72, modes, form, dtype, integers: false);
            run.Run(bound.Step);
            Assert.That(run.Description, Does.StartWith("wgmma_modes"));
            Check.That(StepBounds.Compare(run, bound, output, dtype), run.Description);
        }
    }

    // Sums of signs are integers of at most eleven bits that 16-bit numbers hold (the expected zeros carry the rounding of double): the result's own rounding is all there is. A magnitude rounded in
    // every element of every factor would show three times over, and the same way everywhere.
    [Test]
    public void Ternary_factors_add_no_rounding([Values(Form.Contract, Form.Expand, Form.CoreContract)] Form form, [ValueSource(nameof(DTypes))] DType dtype)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand output) = Bind(run, 72, Small, form, dtype, integers: true, ternary: true);
        run.Run(bound.Step);
        Assert.That(run.Description, Does.StartWith("wgmma_modes"));
        // Sums that are zero come out of the float64 reference as its own noise.
        double[] expected = run.Expected(output), bounds = Array.ConvertAll(expected, value => (1.01 * dtype.UnitRoundoff() * Math.Abs(value)) + 1e-12);
        Check.That(Comparer.Within("output", run.Read(output), expected, bounds, zerosAreRight: true), run.Description);
    }

    [Test]
    public void Addresses_that_miss_16_bytes_are_served_too([Values(Form.Contract, Form.CoreTransposed)] Form form, [Values(2, 4, 8)] int misalignment) =>
        SameAsCpu(72, Small, form, DType.BFloat16, misalignment);

    [Test]
    public void Any_number_of_rows_is_served([Values(64, 65, 71, 1001)] int rows) => SameAsCpu(rows, Small, Form.Contract, DType.BFloat16);

    [Test]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits([Values] Form form)
    {
        using var run = new StepRunner(Gpu);
        (BoundStep bound, Operand output) = Bind(run, 136, Small, form, DType.BFloat16, integers: false);
        AssertRepeats(run, bound.Step, output);
    }

    // Sums of products of signs: integers below 2²⁴ times a power of two, exact in any order.
    [TestCaseSource(nameof(MarginalCases))]
    public void Marginals_of_signs_are_exact(long rows, (long, long)[] modes, DType dtype)
    {
        using StepRunner run = new(Gpu), cpu = new(CpuDevice.Shared);
        BoundStep bound = ContractedMarginals.Bind(run, rows, modes, dtype, integers: true), same = ContractedMarginals.Bind(cpu, rows, modes, dtype, integers: true);
        run.Run(bound.Step);
        cpu.Run(same.Step);
        Assert.That(run.Description, Does.StartWith("wgmma_modes").And.Contain("marginals"));
        for (int i = 0; i < bound.Outputs.Length; i++)
        {
            Check.That(Comparer.Exact($"output {i}", run.Read(bound.Outputs[i]), cpu.Read(same.Outputs[i]), zerosAreRight: true), run.Description);
        }
    }

    [Test]
    public void Marginals_of_normal_numbers_are_within_the_bounds([ValueSource(nameof(DTypes))] DType dtype)
    {
        foreach ((long Features, long Rank)[] modes in new[] { Small, [(7, 5), (4, 4), (8, 4), (2, 4)] })
        {
            using var run = new StepRunner(Gpu);
            BoundStep bound = ContractedMarginals.Bind(run, 136, modes, dtype, integers: false);
            run.Run(bound.Step);
            foreach (Operand output in bound.Outputs)
            {
                Check.That(StepBounds.Compare(run, bound, output, dtype), run.Description);
            }
        }
    }

    [Test]
    public void A_thousand_marginals_beside_another_stream_give_the_same_bits()
    {
        using var run = new StepRunner(Gpu);
        BoundStep bound = ContractedMarginals.Bind(run, 1000, Small, DType.BFloat16, integers: false);
        AssertRepeats(run, bound.Step, bound.Outputs[0]);
        AssertRepeats(run, bound.Step, bound.Outputs[1]);
    }

    private static void SameAsCpu(long rows, (long, long)[] modes, Form form, DType dtype, int misalignment = 0)
    {
        using StepRunner run = new(Gpu), cpu = new(CpuDevice.Shared);
        (BoundStep bound, Operand output) = Bind(run, rows, modes, form, dtype, integers: true, misalignment);
        run.Run(bound.Step);
        Assert.That(run.Description, Does.StartWith("wgmma_modes"));
        (bound, _) = Bind(cpu, rows, modes, form, dtype, integers: true);
        cpu.Run(bound.Step);
        Check.That(Comparer.Exact("output", run.Read(output), cpu.Read(output), zerosAreRight: true), run.Description);
    }

    /// <summary>The step of a form, with its operands bound.</summary>
    internal static (BoundStep Bound, Operand Output) Bind(
        StepRunner run, long rows, (long Features, long Rank)[] modes, Form form, DType dtype, bool integers, int misalignment = 0, bool ternary = false)
    {
        bool contract = form is Form.Contract or Form.CoreContract, transposed = form is Form.CoreTransposed or Form.AddTransposed or Form.Transposed;
        bool core = form is Form.CoreTransposed or Form.CoreContract;
        ImmutableArray<KroneckerMode> list = [.. modes.Select((mode, i) => new KroneckerMode((uint)(i + 1), mode.Features, mode.Rank, contract))];
        long length = list.Aggregate(1L, (product, mode) => product * mode.In), result = list.Aggregate(1L, (product, mode) => product * mode.Out);
        // With signs every sum before the last rounding is an integer of at most 256 times a power of two.
        var source = new RandomSource(11, ternary ? Distribution.Ternary(0.375) : integers ? Distribution.Rademacher : Distribution.Normal);
        bool scaled = form is not Form.Contract;
        double[][] vectors = [.. list.Select((mode, i) => Signs(mode.In, 30 + i, integers, DType.Float32))];
        Operand? whole = scaled ? run.Input("scale", DType.Float32, vectors.Aggregate(new[] { 1.0 }, Outer)) : null;
        ImmutableArray<Operand> scales = scaled ? [.. vectors.Select((vector, i) => run.Input($"scale {i}", DType.Float32, vector))] : [];
        run.Misalignment = misalignment;
        Operand output = run.Output("output", dtype, rows * result);
        var step = new KroneckerStep(core ? null : run.Input("input", dtype, Signs(rows * length, 6, integers, dtype)), output, rows, 1, list, source)
        {
            Label = "test",
            Core = core ? new CoreSource(source, 0, rows, length) : null,
            InputScale = whole,
            ModeScales = scales,
            AddTo = form == Form.AddTransposed ? run.Input("add", dtype, SeededValues.NonZeroIntegers(rows * result, 5, 4)) : null,
            TransposedOutput = transposed,
            Alpha = integers ? 0.5 : 0.3f,
        };
        return (new BoundStep(step, [output], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum), output);
    }

    /// <summary>The step with its factors in memory, where this puts them.</summary>
    private static KroneckerStep Prepare(StepRunner run, KroneckerStep step)
    {
        DType dtype = step.Output.DType;
        long first = step.Modes[0].In * step.Modes[0].Out;
        var factors = new PreparedFactors(run.Output("first", dtype, first), run.Output("rest", dtype, step.In * step.Out / first));
        run.Run(new KroneckerMatricesStep(null, step.FactorMatrices(factors)) { Label = "factors" });
        Assert.That(run.Description, Does.StartWith("kronecker_matrices"));
        return step with { Prepared = factors };
    }

    private static double[] Outer(double[] left, double[] right) => [.. left.SelectMany(x => right.Select(y => (double)(float)(x * y)))];

    private static double[] Signs(long count, long seed, bool integers, DType dtype) =>
        integers ? SeededValues.NonZeroIntegers(count, (ulong)seed, 1) : SeededValues.Normal(count, (ulong)seed, dtype);

    /// <summary>The ways in which a plan uses the kernel.</summary>
    internal enum Form
    {
        /// <summary>P = X·V.</summary>
        Contract,

        /// <summary>Rows to rows, growing, with a scale.</summary>
        Expand,

        /// <summary>Rows of the generated core, contracted.</summary>
        CoreContract,

        /// <summary>The first half of W.</summary>
        CoreTransposed,

        /// <summary>The second half of α·ΔW.</summary>
        Transposed,

        /// <summary>The second half of W0 + α·ΔW.</summary>
        AddTransposed,
    }
}
