using System.Collections.Immutable;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Marginals of a product of rows with a core in memory, bound to random inputs.</summary>
internal static class ContractedMarginals
{
    /// <summary>The step for rows of the modes' features contracted to their ranks. Signs make every sum an integer times a power of two.</summary>
    public static BoundStep Bind(StepRunner run, long rows, (long Features, long Rank)[] modes, DType dtype, bool integers)
    {
        ImmutableArray<KroneckerMode> list = [.. modes.Select((mode, i) => new KroneckerMode((uint)(i + 1), mode.Features, mode.Rank, Contract: true))];
        long length = list.Aggregate(1L, (product, mode) => product * mode.In), columns = list.Aggregate(1L, (product, mode) => product * mode.Out);
        var source = new RandomSource(11, integers ? Distribution.Rademacher : Distribution.Normal);
        double[] Values(long count, ulong seed, DType of) => integers ? SeededValues.NonZeroIntegers(count, seed, 1) : SeededValues.Normal(count, seed, of);
        Operand rowGradient = run.Output("g_d", dtype.ParameterDType(), rows), columnGradient = run.Output("g_e", dtype.ParameterDType(), columns);
        var product = new KroneckerStep(run.Input("dT", dtype, Values(rows * length, 6, dtype)), new Operand(Step.WorkspaceSlot, dtype), rows, 1, list, source)
        {
            Label = "H", Alpha = integers ? 0.25 : 0.3f,
        };
        // Not what the core's stream would give: the step reads it.
        var step = new CoreMarginalsStep(
            product.Output, run.Input("d", DType.Float32, Values(rows, 7, DType.Float32)), run.Input("e", DType.Float32, Values(columns, 8, DType.Float32)),
            rowGradient, columnGradient, new CoreSource(source, 0, rows, columns))
        {
            Label = "test", Alpha = integers ? 0.5 : 0.7f, Contraction = product, Generated = run.Input("G", dtype, Values(rows * columns, 9, dtype)),
        };
        return new BoundStep(step, [rowGradient, columnGradient], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum);
    }
}
