using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>
/// Mistakes planted in the steps that only plans for a GPU have: terms that join the frozen layer's product, and gradients through dW. Each must make the
/// verification fail.
/// </summary>
internal sealed class JoinedMutantTests
{
    private static readonly DeviceTraits Hopper = DeviceTraits.H100 with { SingleOperationsPerSecond = 1e9, LaunchSeconds = 0 };

    private static readonly DeviceTraits SlowTensorCores = DeviceTraits.H100 with { HalfOperationsPerSecond = 1e9 };

    // R = S, so that an exchange of the diagonals is only a mistake and no overrun.
    private static readonly VerificationCase Kronecker = Problem(new TeraUpdate([2, 16, 8], [3, 4, 4], [2, 8, 16], [3, 4, 4]), 2048);

    private static readonly VerificationCase LowRank = Problem(new LowRankUpdate(384, 256, 64, alpha: 16), 2048);

    private static readonly VerificationCase Square = Problem(new LowRankUpdate(256, 256, 256, alpha: 32), 2048);

    private static readonly VerificationCase Full = Problem(new TeraUpdate([4, 64], [8, 64], [4, 64], [8, 64]), 300);

    /// <summary>The mistakes, each with the problem that must expose it.</summary>
    public static IEnumerable<Mutant> Mutants =>
    [
        Mutant.Of<MatrixProductStep>("the blocks are forgotten", step => step with { Blocks = null }, Kronecker),
        Mutant.Of<MatrixProductStep>("a block's sums are one term too short", step => step.Blocks is { } blocks ? step with { Blocks = blocks with { K = blocks.K - 1 } } : null, Kronecker),
        Mutant.Of<MatrixProductStep>("blocks are half as wide", step => step.Blocks is { } blocks ? step with { Blocks = blocks with { Columns = blocks.Columns / 2, K = blocks.K / 2 } } : null, Kronecker),
        Mutant.Of<MatrixProductStep>("the blocks' factor is used transposed", step => step.Blocks is { } blocks ? step with { Blocks = blocks with { LayoutB = Flip(blocks.LayoutB) } } : null, Square),
        OfCore("d and e are exchanged", step => step with { RowScale = step.ColumnScale, ColumnScale = step.RowScale }),
        OfCore("d is forgotten", step => step with { RowScale = null }),
        OfCore("e is forgotten", step => step with { ColumnScale = null }),
        OfCore("α is applied twice", step => step with { Alpha = step.Alpha * Kronecker.Update.Alpha }),
        OfCore("a power of two is lost", step => step with { Alpha = step.Alpha / 2 }),
        OfCore("rows and columns are exchanged", step => step with { OverColumns = !step.OverColumns }),
        OfCore("the first mode comes from the second's stream", step => step with { First = step.First with { Stream = step.First.Stream + 1 } }),
        OfCore("the core is drawn from stream 1", step => step with { Core = step.Core with { Stream = 1 } }),
        Mutant.Of<BlockOperandsStep>("d's vectors are multiplied in the wrong order", step => step.Diagonals is { } d ? step with { Diagonals = d with { Vectors = [.. d.Vectors.Reverse()] } } : null, Kronecker),
        OfModes("the last modes run in the wrong order", step => step with { Modes = [.. step.Modes.Reverse()] }),
        OfModes("the last modes lose their power of two", step => step with { Alpha = 1 }),
        Mutant.Of<MatrixProductStep>("α is forgotten before a low-rank block", step => step.Blocks is null && step.LayoutA == Layout.Normal ? step with { Alpha = 1 } : null, LowRank),
        Mutant.Of<MatrixProductStep>("α is applied to the gradients twice", step => step.LayoutA == Layout.Transposed ? step with { Alpha = step.Alpha * LowRank.Update.Alpha } : null, LowRank),
        Mutant.Of<MatrixProductStep>("the last token is dropped from dW", step => step.LayoutA == Layout.Transposed ? step with { K = step.K - 1 } : null, Full),
        Mutant.Of<KroneckerStep>("T is not transposed", step => step.TransposedOutput && step.InputScale is null && step.AddTo is null ? step with { TransposedOutput = false } : null, Full),
        Mutant.Of<CoreMarginalsStep>("d and e are exchanged beside H", step => step with { RowScale = step.ColumnScale, ColumnScale = step.RowScale }, Full),
        Mutant.Of<CoreMarginalsStep>("the gradients of d and e are exchanged", step => step with { RowGradient = step.ColumnGradient, ColumnGradient = step.RowGradient }, Full),
        Mutant.Of<CoreMarginalsStep>("a power of two is lost in the gradients", step => step with { Alpha = step.Alpha / 2 }, Full),
        Mutant.Of<CoreMarginalsStep>("H loses its power of two", step => step.Contraction is { } product ? step with { Contraction = product with { Alpha = 1 } } : null, Full),
        Mutant.Of<FillRandomStep>("the core that all products read is drawn from stream 1", step => step with { Core = step.Core with { Stream = 1 } }, Full),
    ];

    [TestCaseSource(nameof(Mutants))]
    public void Is_caught(Mutant mutant)
    {
        var device = new MutantDevice(new GuardingDevice(DeviceUnderTest.Cpu), mutant);
        VerificationRow[] rows = Verify(device, mutant.Problem!);
        Assert.That(device.Altered, Is.Positive, "the mistake was never made: the plan has no such step any more");
        Assert.That(rows.Any(row => !row.Passed), Is.True, $"{mutant.Name} survived: {mutant.Problem}");
    }

    [Test]
    public void Without_a_mistake_the_same_problems_pass()
    {
        foreach (VerificationCase problem in new[] { Kronecker, LowRank, Square, Full })
        {
            Assert.That(Verify(new GuardingDevice(DeviceUnderTest.Cpu), problem).Where(row => !row.Passed).Select(row => row.Report), Is.Empty, $"{problem}");
        }
    }

    private static VerificationCase Problem(WeightUpdate update, long tokens) => new("joined", update, tokens, DType.BFloat16, Bias: true, Exact: false);

    private static VerificationRow[] Verify(Device device, VerificationCase problem) =>
        [.. LayerVerification.Run(problem == Full ? new PlanningFor(device, SlowTensorCores) : new PlanningFor(device, Hopper), problem, new AdaptedLinearOptions { Path = problem == Full ? ExecutionPath.Merged : ExecutionPath.Factored })];

    private static Mutant OfCore(string name, Func<CoreExpansionStep, CoreExpansionStep> alter) =>
        Mutant.Of<BlockOperandsStep>(name, step => step with { Core = alter(step.Core) }, Kronecker);

    private static Mutant OfModes(string name, Func<KroneckerMatrixStep, KroneckerMatrixStep> alter) =>
        Mutant.Of<BlockOperandsStep>(name, step => step with { Modes = alter(step.Modes) }, Kronecker);

    private static Layout Flip(Layout layout) => layout == Layout.Normal ? Layout.Transposed : Layout.Normal;
}
