using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Mutants;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>Mistakes planted in the steps of RandLoRA, VeRA and LoTR: each must make the verification fail, on every path where it alters a step.</summary>
internal sealed class MethodMutantTests
{
    private const long Tokens = 17;

    private static readonly VerificationCase Tall = Problem(new RandLoraUpdate(9, 7, 3, RandLoraPairing.Paper, FrozenBases.Generated(1)));

    private static readonly VerificationCase Wide = Problem(new RandLoraUpdate(6, 8, 2, RandLoraPairing.Peft, FrozenBases.Generated(2)));

    private static readonly VerificationCase Square = Problem(new RandLoraUpdate(6, 6, 2, RandLoraPairing.Peft, FrozenBases.Generated(2)));

    private static readonly VerificationCase Given = Problem(new RandLoraUpdate(9, 7, 3, RandLoraPairing.Peft, FrozenBases.Given(DType.Float32, [3, 1, 8], [10, 4, 3])));

    private static readonly VerificationCase Vera = Problem(new VeraUpdate(9, 7, 4));

    private static readonly VerificationCase VeraGiven = Problem(new VeraUpdate(9, 7, 4, FrozenBases.Given(DType.Float32, [4, 9], [11, 4])));

    private static readonly VerificationCase SquareVera = Problem(new VeraUpdate(7, 7, 7));

    private static readonly VerificationCase Lotr = Problem(new LotrUpdate(6, 6, 4, LotrSides.Trained, seed: 3));

    private static readonly VerificationCase Frozen = Problem(new LotrUpdate(6, 6, 6, seed: 4));

    private static readonly VerificationCase[] All = [Tall, Wide, Square, Given, Vera, VeraGiven, SquareVera, Lotr, Frozen];

    /// <summary>The mistakes, each with the problem that must expose it.</summary>
    public static IEnumerable<Mutant> Mutants =>
    [
        Mutant.Of<ScaledCopiesStep>("λ is forgotten", step => step with { RowScale = null }, Tall),
        Mutant.Of<ScaledCopiesStep>("γ is forgotten", step => step with { ColumnScale = null }, Wide),
        Mutant.Of<ScaledCopiesStep>("the paper's pairing is taken for PEFT's", step => step with { Order = CopyOrder.RowByRow }, Tall),
        Mutant.Of<ScaledCopiesStep>("PEFT's pairing is taken for the paper's", step => step with { Order = CopyOrder.CopyByCopy }, Given),
        Mutant.Of<ScaledCopiesGradientStep>("the gradients are of the other pairing", Exchange, Wide),
        Mutant.Of<ScaledCopiesStep>("the given matrix is read as if it had no more columns than the layer", step => step with { Stride = step.Columns }, Given),
        Mutant.Of<ScaledCopiesGradientStep>("the given matrix is read without its stride in the gradients", step => step with { Stride = step.Columns }, Given),
        Mutant.Of<ScaledCopiesStep>("the given A of VeRA is read without its stride", step => step.RowScale is null && step.Stride != step.Columns ? step with { Stride = step.Columns } : null, VeraGiven),
        Mutant.Of<ScaledCopiesGradientStep>("the last row does not count in the gradients", step => step with { Rows = step.Rows - 1 }, Vera),
        Mutant.Of<ScaledCopiesGradientStep>("the gradients of b and d are exchanged", step => step with { RowGradient = step.ColumnGradient, ColumnGradient = step.RowGradient }, SquareVera),
        Mutant.Of<ScaledCopiesGradientStep>("the gradient of d is taken with d instead of b", step => step with { RowScale = step.ColumnScale }, SquareVera),
        Mutant.Around<ScaledCopiesGradientStep>("the gradients of λ and γ are overwritten", _ => true, Overwrite) with { Problem = Tall },
        Mutant.LeftOut<ScaledCopiesGradientStep>("b and d have no gradient", _ => true) with { Problem = Vera },
        Mutant.Of<FillRandomStep>("A is drawn from B's stream", step => step.Core.Stream == 1 ? step with { Core = step.Core with { Stream = 0 } } : null, Vera),
        Mutant.Of<FillRandomStep>("B is drawn from A's stream", step => step.Core.Stream == 0 ? step with { Core = step.Core with { Stream = 1 } } : null, Tall),
        Mutant.Of<MatrixProductStep>("α is forgotten in RandLoRA's products", step => step.Alpha == 1 ? null : step with { Alpha = 1 }, Wide),
        Mutant.Of<MatrixProductStep>("B of a square layer is used untransposed", step => step.K == 6 && step.LayoutB == Layout.Transposed ? step with { LayoutB = Layout.Normal } : null, Square),
        Mutant.Of<MatrixProductStep>("the last token is dropped from dW or its parts", step => step.K == Tokens ? step with { K = step.K - 1 } : null, Tall),
        Mutant.Of<MatrixProductStep>("the gradients of L and R are overwritten", step => step.Accumulates && step.LayoutA == Layout.Transposed ? step with { AddTo = null } : null, Lotr),
        Mutant.Of<MatrixProductStep>("M is used transposed", step => step is { N: 4, K: 4 } or { M: 6, N: 4, K: 4 } ? step with { LayoutB = Flip(step.LayoutB) } : null, Lotr),
        Mutant.Of<FillRandomStep>("L and R come from one stream", step => step with { Core = step.Core with { Stream = 0 } }, Frozen),
    ];

    [TestCaseSource(nameof(Mutants))]
    public void Is_caught(Mutant mutant)
    {
        int bites = 0;
        foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
        {
            var device = new MutantDevice(new GuardingDevice(new NaiveDevice()), mutant);
            VerificationRow[] rows = Verify(device, mutant.Problem!, path);
            bites += device.Altered;
            Assert.That(device.Altered == 0 || rows.Any(row => !row.Passed), Is.True, $"{mutant.Name} survived: {mutant.Problem} {path}");
        }

        Assert.That(bites, Is.Positive, "the mistake was never made: the plan has no such step any more");
    }

    [Test]
    public void Without_a_mistake_the_same_problems_pass()
    {
        foreach (VerificationCase problem in All)
        {
            foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
            {
                Assert.That(Verify(new GuardingDevice(new NaiveDevice()), problem, path).Where(row => !row.Passed).Select(row => row.Report), Is.Empty, $"{problem} {path}");
            }
        }
    }

    private static VerificationCase Problem(WeightUpdate update) => new("mutants", update, Tokens, DType.Float32, Bias: true, Exact: false);

    private static VerificationRow[] Verify(Device device, VerificationCase problem, ExecutionPath path) =>
        [.. LayerVerification.Run(device, problem, new AdaptedLinearOptions { Path = path })];

    private static ScaledCopiesGradientStep Exchange(ScaledCopiesGradientStep step) =>
        step with { Order = step.Order == CopyOrder.CopyByCopy ? CopyOrder.RowByRow : CopyOrder.CopyByCopy };

    private static Layout Flip(Layout layout) => layout == Layout.Normal ? Layout.Transposed : Layout.Normal;

    private static void Overwrite(ScaledCopiesGradientStep step, INaiveMemory memory, Action run)
    {
        memory.Write(step.RowGradient, new double[step.Rows * step.Copies]);
        memory.Write(step.ColumnGradient, new double[step.Copies * step.Columns]);
        run();
    }
}
