using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>Every family of kernels a thousand times beside a busy stream. Those for one architecture alone have the same test in their own fixtures.</summary>
[Category("Gpu")]
internal sealed class RepeatGpuTests
{
    private const int CasesOfAFamily = 4;

    /// <summary>Of each kind of step and dtype a few problems from all over its list, whose sizes rise.</summary>
    public static IEnumerable<StepCase> Families => StepCases.All
        .Where(problem => problem.DType != DType.Float64)
        .GroupBy(problem => (problem.Name.Split(' ')[0], problem.DType))
        .SelectMany(family => family.Where((_, i) => (i + 1) % Math.Max(1, family.Count() / CasesOfAFamily) == 0));

    [TestCaseSource(nameof(Families))]
    public void A_thousand_runs_beside_another_stream_give_the_same_bits(StepCase problem)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        BoundStep bound = problem.Bind(run);
        Repeats.Assert(DeviceUnderTest.Cuda, run, bound.Step, bound.Outputs);
    }
}
