using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>Every step of a device against the naive float64 interpreter, between guard bands, with inputs unchanged and bit-equal repeats.</summary>
internal abstract class StepCorrectness
{
    protected abstract Device Device { get; }

    [TestCaseSource(typeof(StepCases), nameof(StepCases.All))]
    public void Agrees_with_the_reference(StepCase problem) => Verify(problem, misalignment: 0);

    [TestCaseSource(nameof(Unaligned))]
    public void Agrees_at_addresses_aligned_to_one_element_only(StepCase problem) => Verify(problem, problem.DType == DType.Float64 ? 8 : 4);

    /// <summary>A twentieth of the problems: unaligned addresses take other branches, not other formulas.</summary>
    public static IEnumerable<StepCase> Unaligned => StepCases.All.Where((_, i) => i % 20 == 7);

    private void Verify(StepCase problem, int misalignment)
    {
        if (!Device.Supports(problem.DType))
        {
            Assert.Pass($"{Device.Id} has no {problem.DType.Label()}, by design");
        }

        using var run = new StepRunner(Device) { Misalignment = misalignment };
        BoundStep bound = problem.Bind(run);
        run.Run(bound.Step);
        byte[][] first = [.. bound.Outputs.Select(output => run.ReadBytes(output.Slot))];
        foreach (Operand output in bound.Outputs)
        {
            Check.That(StepBounds.Compare(run, bound, output, problem.DType), $"{problem} by {run.Description}");
        }

        run.Reset();
        run.Run(bound.Step);
        for (int i = 0; i < first.Length; i++)
        {
            Check.That(Comparer.SameBits("repeat", run.ReadBytes(bound.Outputs[i].Slot), first[i]), $"{problem} by {run.Description}");
        }
    }
}

/// <summary>On the CPU.</summary>
internal sealed class CpuStepTests : StepCorrectness
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU.</summary>
[Category("Gpu")]
internal sealed class CudaStepTests : StepCorrectness
{
    protected override Device Device => DeviceUnderTest.Cuda;
}
