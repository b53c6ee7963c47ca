using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>
/// What is made of the core alone, at the sizes of real layers: the numbers of the CPU on signs, where every sum is exact. All other sizes,
/// distributions and options are in <see cref="StepCases"/>.
/// </summary>
[Category("Gpu")]
internal sealed class CoreStepsGpuTests
{
    private static readonly DType[] DTypes = [DType.Float32, DType.BFloat16, DType.Float16];

    private static readonly (long In, long Out, long R, long S)[] Expansions = [(8, 16, 512, 512), (8, 43, 512, 512), (16, 16, 1024, 256), (7, 9, 343, 729)];

    private static readonly (long R, long S)[] Marginals = [(4096, 4096), (512, 512), (1331, 2197), (40000, 264), (8, 100000)];

    [Test]
    public void An_expansion_of_signs_is_exact(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Expansions))] (long, long, long, long) size, [Values] bool overColumns)
    {
        using StepRunner run = new(DeviceUnderTest.Cuda), cpu = new(DeviceUnderTest.Cpu);
        CoreExpansionStep step = Expansion(run, dtype, size, overColumns);
        run.Run(step);
        cpu.Run(Expansion(cpu, dtype, size, overColumns));
        Check.That(Comparer.Exact("M", run.Read(step.Output), cpu.Read(step.Output), zerosAreRight: true), run.Description);
    }

    [Test]
    public void Marginals_of_signs_are_exact([ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Marginals))] (long, long) size)
    {
        using StepRunner run = new(DeviceUnderTest.Cuda), cpu = new(DeviceUnderTest.Cpu);
        CoreMarginalsStep step = MarginalsOf(run, dtype, size, Distribution.Rademacher), same = MarginalsOf(cpu, dtype, size, Distribution.Rademacher);
        run.Run(step);
        cpu.Run(same);
        Check.That(Comparer.Exact("rows", run.Read(step.RowGradient), cpu.Read(same.RowGradient), zerosAreRight: true), run.Description);
        Check.That(Comparer.Exact("columns", run.Read(step.ColumnGradient), cpu.Read(same.ColumnGradient), zerosAreRight: true), run.Description);
    }

    [Test]
    public void A_hundred_marginals_give_the_same_bits([ValueSource(nameof(DTypes))] DType dtype)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        CoreMarginalsStep step = MarginalsOf(run, dtype, (1024, 1000), Distribution.Normal);
        run.Run(step);
        byte[] rows = run.ReadBytes(step.RowGradient.Slot), columns = run.ReadBytes(step.ColumnGradient.Slot);
        for (int i = 1; i < 100; i++)
        {
            run.Run(step);
            Check.That(Comparer.SameBits("rows", run.ReadBytes(step.RowGradient.Slot), rows), $"run {i}");
            Check.That(Comparer.SameBits("columns", run.ReadBytes(step.ColumnGradient.Slot), columns), $"run {i}");
        }
    }

    [Test]
    public void A_Kronecker_matrix_of_signs_has_the_bits_of_the_CPU([ValueSource(nameof(DTypes))] DType dtype, [Values] bool contract)
    {
        using StepRunner run = new(DeviceUnderTest.Cuda), cpu = new(DeviceUnderTest.Cpu);
        KroneckerMatrixStep step = Matrix(run, dtype, contract);
        run.Run(step);
        cpu.Run(Matrix(cpu, dtype, contract));
        Check.That(Comparer.SameBits("F", run.ReadBytes(step.Output.Slot), cpu.ReadBytes(step.Output.Slot)), run.Description);
    }

    [Test]
    public void Block_operands_have_the_bits_of_their_parts(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Expansions))] (long In, long Out, long R, long S) size, [Values] bool overColumns, [Values(1, 2, 5)] int vectors)
    {
        using StepRunner run = new(DeviceUnderTest.Cuda), apart = new(DeviceUnderTest.Cuda);
        BlockOperandsStep step = Operands(run, dtype, size, overColumns, vectors), same = Operands(apart, dtype, size, overColumns, vectors);
        run.Run(step);
        foreach (Step part in new Step[] { same.Diagonals!, same.Modes, same.Core })
        {
            apart.Run(part);
        }

        foreach (Operand output in new[] { step.Diagonals!.Output, step.Diagonals.More[0].Output, step.Modes.Output, step.Core.Output })
        {
            Check.That(Comparer.SameBits($"slot {output.Slot}", run.ReadBytes(output.Slot), apart.ReadBytes(output.Slot)), run.Description);
        }
    }

    // Diagonals of so many vectors, all but the first of two numbers or one.
    private static BlockOperandsStep Operands(StepRunner run, DType dtype, (long In, long Out, long R, long S) size, bool overColumns, int vectors)
    {
        (long r, long s) = overColumns ? (size.S, size.R) : (size.R, size.S);
        OuterVectorsStep Outer(string name, long length, ulong seed)
        {
            var values = new List<VectorOperand>();
            for (int i = vectors - 1; i >= 0; i--)
            {
                long own = i == 0 ? length : length % 2 == 0 ? 2 : 1;
                values.Insert(0, new VectorOperand(run.Input($"{name}{i}", DType.Float32, SeededValues.Normal(own, seed + (ulong)i, DType.Float32)), own));
                length /= own;
            }

            return new OuterVectorsStep([.. values], run.Output(name, DType.Float32, values.Aggregate(1L, (product, vector) => product * vector.Length))) { Label = name };
        }

        OuterVectorsStep d = Outer("d", r, 10), e = Outer("e", s, 20);
        var source = new RandomSource(3, Distribution.Normal);
        Operand m = run.Output("M", dtype, size.R / size.In * size.Out * size.S);
        return new BlockOperandsStep(d with { More = [e] }, Matrix(run, dtype, contract: false),
            new CoreExpansionStep(m, new KroneckerMode(4, size.Out, size.In, Contract: false), d.Output, e.Output, source, new CoreSource(source, 0, r, s))
            {
                Label = "expansion", OverColumns = overColumns, Alpha = 0.7,
            }) { Label = "operands" };
    }

    private static CoreExpansionStep Expansion(StepRunner run, DType dtype, (long In, long Out, long R, long S) size, bool overColumns)
    {
        (long r, long s) = overColumns ? (size.S, size.R) : (size.R, size.S);
        var source = new RandomSource(3, Distribution.Rademacher);
        Operand d = run.Input("d", DType.Float32, SeededValues.NonZeroIntegers(r, 1, 2)), e = run.Input("e", DType.Float32, SeededValues.NonZeroIntegers(s, 2, 2));
        return new CoreExpansionStep(
            run.Output("M", dtype, size.R / size.In * size.Out * size.S), new KroneckerMode(4, size.Out, size.In, Contract: false), d, e, source, new CoreSource(source, 0, r, s))
        {
            Label = "expansion",
            OverColumns = overColumns,
            Alpha = 0.5,
        };
    }

    // A row's sum has 100,000 terms of up to 3·2: below 2²⁴, exact in any order.
    private static CoreMarginalsStep MarginalsOf(StepRunner run, DType dtype, (long R, long S) size, Distribution distribution)
    {
        (long r, long s) = size;
        return new CoreMarginalsStep(
            run.Input("H", dtype, SeededValues.NonZeroIntegers(r * s, 3, 3)),
            run.Input("d", DType.Float32, SeededValues.NonZeroIntegers(r, 1, 2)),
            run.Input("e", DType.Float32, SeededValues.NonZeroIntegers(s, 2, 2)),
            run.Output("g_d", DType.Float32, r),
            run.Output("g_e", DType.Float32, s),
            new CoreSource(new RandomSource(3, distribution), 0, r, s)) { Label = "marginals", Alpha = 0.5 };
    }

    private static KroneckerMatrixStep Matrix(StepRunner run, DType dtype, bool contract) =>
        new(run.Output("F", dtype, 256 * 64), [new KroneckerMode(2, 16, 8, contract), new KroneckerMode(3, 16, 8, contract)], new RandomSource(3, Distribution.Rademacher))
        {
            Label = "matrix",
            Alpha = 0.5,
        };
}
