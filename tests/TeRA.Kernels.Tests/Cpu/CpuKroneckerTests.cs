using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>Kronecker products on the CPU device: every way in, every way out, any number of modes.</summary>
[TestFixture]
internal sealed class CpuKroneckerTests
{
    private const int ScaleOption = 1, AddOption = 2, InPlaceOption = 4, AlphaOption = 8, CoreOption = 16;
    private static readonly DType[] DTypes = [DType.Float32, DType.Float64, DType.BFloat16, DType.Float16];

    [Test]
    public void Any_modes_between_any_outer_and_inner_are_right([Values] bool exact)
    {
        Gen<KroneckerMode> mode =
            from rows in Gen.Elements(1L, 2, 3, 5, 7, 8, 13)
            from columns in Gen.Elements(1L, 2, 3, 4, 6, 9)
            from contract in Gen.Elements(true, false)
            from stream in Gen.Choose(1, 100)
            select new KroneckerMode((uint)stream, rows, columns, contract);
        var problems =
            from count in Gen.Choose(1, 3)
            from modes in Gen.ArrayOf(mode, count)
            from outer in Gen.Elements(0L, 1, 2, 3, 5, 17, 33, 70)
            from inner in Gen.Elements(1L, 1, 2, 3, 16, 31, 50, 0)
            from options in Gen.Choose(0, 31)
            from dtype in Gen.Choose(0, 3)
            where outer * inner * modes.Aggregate(1L, (product, m) => product * m.In * m.Out) < 400_000
            select (modes, outer, inner, options, dtype);
        Prop.ForAll(
            problems.ToArbitrary(),
            problem => Run([.. problem.modes], problem.outer, problem.inner, DTypes[problem.dtype], problem.options, exact))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(120));
    }

    [TestCase(300, 5, 40, 1)]
    [TestCase(5, 300, 3, 20)]
    [TestCase(257, 33, 1, 70)]
    public void A_long_mode_is_summed_in_blocks(int rows, int columns, int outer, int inner)
    {
        Run([new KroneckerMode(1, rows, columns, true)], outer, inner, DType.Float32, AlphaOption | ScaleOption, exact: false);
        Run([new KroneckerMode(1, rows, columns, false), new KroneckerMode(2, 3, 2, true)], outer, inner, DType.Float64, AddOption, exact: true);
    }

    [Test]
    public void A_factor_too_large_to_keep_is_generated_again_in_each_run() =>
        Run([new KroneckerMode(1, 700, 400, true)], 3, 1, DType.Float32, ScaleOption, exact: true);

    [Test]
    public void Four_modes_that_grow_and_shrink_are_right()
    {
        ImmutableArray<KroneckerMode> modes = [new(1, 2, 5, true), new(2, 6, 2, true), new(3, 4, 3, false), new(4, 3, 3, false)];
        for (int options = 0; options < 32; options++)
        {
            Run(modes, 4, 1, DType.Float32, options, exact: true);
            Run(modes, 2, 3, DType.Float16, options, exact: false);
        }
    }

    [Test]
    public void Marginals_of_a_product_that_is_never_stored_are_right([Values(DType.Float32, DType.BFloat16, DType.Float16)] DType dtype, [Values] bool integers)
    {
        foreach ((long rows, (long, long)[] modes) in new (long, (long, long)[])[] { (33, [(6, 4), (8, 3)]), (1, [(4, 4), (2, 3), (3, 2)]), (70, [(16, 8), (8, 8)]) })
        {
            using var run = new StepRunner(CpuDevice.Shared);
            BoundStep bound = ContractedMarginals.Bind(run, rows, modes, dtype, integers);
            run.Run(bound.Step);
            foreach (Operand output in bound.Outputs)
            {
                Support.Check.That(StepBounds.Compare(run, bound, output, dtype), run.Description);
            }
        }
    }

    [Test]
    public void An_empty_mode_gives_what_is_added()
    {
        Run([new KroneckerMode(1, 0, 3, true), new KroneckerMode(2, 2, 2, true)], 3, 1, DType.Float32, AddOption, exact: true);
        Run([new KroneckerMode(1, 0, 3, true)], 2, 5, DType.Float32, 0, exact: true);
        Run([new KroneckerMode(1, 0, 3, false)], 2, 5, DType.Float32, 0, exact: true);
    }

    private static void Run(ImmutableArray<KroneckerMode> modes, long outer, long inner, DType dtype, int options, bool exact) => CpuCase.Run(
        run =>
        {
            long length = modes.Aggregate(1L, (product, mode) => product * mode.In), result = modes.Aggregate(1L, (product, mode) => product * mode.Out);
            var source = new RandomSource(11, exact ? Distribution.Rademacher : Distribution.Normal);
            bool inPlace = (options & InPlaceOption) != 0;
            double[] old = CpuCase.Values(outer * result * inner, 3, exact);
            Operand output = inPlace ? run.InOut("output", dtype, old) : run.Output("output", dtype, outer * result * inner);
            bool generated = (options & CoreOption) != 0;
            var step = new KroneckerStep(
                generated ? null : run.Input("input", dtype, CpuCase.Values(outer * length * inner, 1, exact)), output, outer, inner, modes, source)
            {
                Label = $"kronecker of {dtype}, options {options}",
                Core = generated ? new CoreSource(source, 77, outer * length, inner) : null,
                InputScale = (options & ScaleOption) != 0 ? run.Input("scale", dtype.ParameterDType(), CpuCase.Values(length, 2, exact)) : null,
                AddTo = inPlace ? output : (options & AddOption) != 0 ? run.Input("add", dtype, old) : null,
                Alpha = (options & AlphaOption) == 0 ? 1 : exact ? -2 : 0.37,
            };
            return (step, [output]);
        },
        exact ? 0 : 6 + modes.Sum(mode => Math.Min(mode.In, 256) + 2));
}
