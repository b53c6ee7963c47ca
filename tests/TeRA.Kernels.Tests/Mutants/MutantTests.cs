using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>
/// Planted mistakes: each must make the verification fail, by the very comparers that the other tests use, on every path where it alters
/// a step. Without a mistake the same problems pass.
/// </summary>
internal sealed class MutantTests
{
    private static readonly LayerShape Shape = new(17, [3, 4], [2, 3], [2, 5], [3, 2]);

    private static readonly VerificationCase Single = Problem(Shape.Tera(Distribution.Normal), DType.Float32);

    private static readonly VerificationCase[] Usual =
        [Single, Problem(Shape.Tera(Distribution.Normal), DType.BFloat16), LayerVerification.IntegerCase(Shape, DType.Float32)!];

    private static readonly VerificationCase Square = Problem(new LowRankUpdate(7, 7, 2), DType.Float32);

    private static readonly VerificationCase Alike = Problem(new TeraUpdate([3, 4], [2, 3], [2, 5], [2, 3]), DType.Float32);

    private static readonly VerificationCase Ternary = Problem(Shape.Tera(Distribution.Ternary(0.375)), DType.Float32);

    private static readonly VerificationCase LongSeed = Problem(Shape.Tera(Distribution.Uniform, seed: 0x1_0000_0001), DType.Float32);

    /// <summary>The mistakes.</summary>
    public static IEnumerable<Mutant> Mutants =>
    [
        Mutant.Of<MatrixProductStep>("the bias is forgotten", step => step with { Bias = null }),
        Mutant.Of<MatrixProductStep>("Y adds to what the buffer held", step => step.Bias is null ? null : step with { AddTo = step.C }),
        Mutant.Of<MatrixProductStep>("the last token's row is not computed", step => step.Bias is null ? null : step with { M = step.M - 1 }),
        Mutant.Of<MatrixProductStep>("a square weight is used untransposed", step => step.LayoutB == Layout.Transposed && step.N == step.K ? step with { LayoutB = Layout.Normal } : null, Square),
        Mutant.Of<MatrixProductStep>("the gradient of a low-rank factor is overwritten", step => step.LayoutA == Layout.Transposed ? step with { AddTo = null } : null, Square),
        Mutant.Of<MatrixProductStep>("the last token is dropped from a low-rank gradient", step => step.LayoutA == Layout.Transposed ? step with { K = step.K - 1 } : null, Square),
        Mutant.Of<KroneckerStep>("α is forgotten where ΔW or Y is formed", step => step.AddTo is null ? null : step with { Alpha = 1 }),
        Mutant.Of<KroneckerStep>("α has the wrong sign", step => step.AddTo is null ? null : step with { Alpha = -step.Alpha }),
        Mutant.Of<KroneckerStep>("the trained diagonal is forgotten in a contraction", step => step with { InputScale = null }),
        Mutant.Of<KroneckerStep>("W0 (or Y) is not added", step => step with { AddTo = null }),
        Mutant.Of<KroneckerStep>("the modes run in the wrong order", step => step with { Modes = [.. step.Modes.Reverse()] }),
        Mutant.Of<KroneckerStep>("the streams of two factors are exchanged", Exchange),
        Mutant.Of<KroneckerStep>("the column factors start one stream too early", step => step with { Modes = [.. step.Modes.Select(mode => mode with { Stream = mode.Stream - 1 })] }),
        Mutant.Of<KroneckerStep>("a factor is numbered column by column", step => step with { Modes = [.. step.Modes.Select(Transpose)] }),
        Mutant.Of<KroneckerStep>("the core of the merged weight is drawn from stream 1", step => step.Core is { } core ? step with { Core = core with { Stream = 1 } } : null),
        Mutant.Of<CoreProductStep>("the core is drawn from stream 1", step => step with { Core = step.Core with { Stream = 1 } }),
        Mutant.Of<CoreProductStep>("core element (r, s) is number s·R + r", step => step with { OverRows = !step.OverRows, Core = Transpose(step.Core) }),
        Mutant.Of<CoreProductStep>("e (or d) is forgotten beside the core", step => step with { Scale = null }),
        Mutant.Of<CoreProjectionStep>("the last token is dropped from the vectors' gradients", step => step with { Tokens = step.Tokens - 1 }),
        Mutant.Of<CoreProjectionStep>("α is missing in the gradients", step => step with { Alpha = 1 }),
        Mutant.Of<CoreProjectionStep>("the core is transposed in the gradients", step => step with
        {
            Q = step.P, P = step.Q, RowScale = step.ColumnScale, ColumnScale = step.RowScale, RowGradient = step.ColumnGradient, ColumnGradient = step.RowGradient,
            Core = Transpose(step.Core),
        }),
        Mutant.Around<CoreProjectionStep>("the gradients' diagonals are forgotten", _ => true, (step, memory, run) => Forget(step, memory, run)),
        Mutant.LeftOut<KroneckerStep>("dX comes from W0 alone", step => step.Label.StartsWith("dX", StringComparison.Ordinal)),
        Mutant.LeftOut<ColumnSumStep>("the bias has no gradient", _ => true),
        Mutant.Around<VectorMarginalsStep>("the gradients of the vectors are overwritten", _ => true, Overwrite),
        Mutant.Around<VectorMarginalsStep>("a marginal keeps its own vector instead of leaving it out", _ => true, KeepOwnVector),
        Mutant.Of<VectorMarginalsStep>("the column vectors have no gradient", step => step with { More = [] }),
        Mutant.Of<OuterVectorsStep>("e is taken for d", step => step.More.Length == 1 ? step.More[0] with { Output = step.Output, Label = "", More = [step with { Output = step.More[0].Output, More = [] }] } : null, Alike),
        Mutant.Around<OuterVectorsStep>("the last element of the diagonal is not written", _ => true, LoseLastElement),
        new Mutant("ternary elements have a threshold two percent too high", (step, device) => WithSource(step, device, source => source with { Distribution = Distribution.Ternary(0.3825) }), Ternary),
        new Mutant("the upper half of the seed is ignored", (step, device) => WithSource(step, device, source => source with { Seed = (uint)source.Seed }), LongSeed),
        Mutant.Around<MatrixProductStep>("float32 results pass through bfloat16", step => step.C.DType == DType.Float32, PassThroughBFloat16) with { Problem = Single },
        Mutant.Around<MatrixProductStep>("float32 results have the accuracy of TF32", step => step.C.DType == DType.Float32, TruncateToTF32) with { Problem = Single },
    ];

    [TestCaseSource(nameof(Mutants))]
    public void Is_caught(Mutant mutant)
    {
        int bites = 0;
        foreach (VerificationCase problem in mutant.Problem is { } own ? [own] : Usual)
        {
            foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
            {
                var device = new MutantDevice(new GuardingDevice(new NaiveDevice()), mutant);
                VerificationRow[] rows = Verify(device, problem, path);
                bites += device.Altered;
                Assert.That(device.Altered == 0 || rows.Any(row => !row.Passed), Is.True, $"{mutant.Name} survived: {problem} {path}");
            }
        }

        Assert.That(bites, Is.Positive, "the mistake was never made: the plan has no such step any more");
    }

    [Test]
    public void Without_a_mistake_the_same_problems_pass()
    {
        foreach (VerificationCase problem in (VerificationCase[])[.. Usual, Square, Alike, Ternary, LongSeed])
        {
            foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
            {
                Assert.That(Verify(new GuardingDevice(new NaiveDevice()), problem, path).Where(row => !row.Passed).Select(row => row.Report), Is.Empty, $"{problem} {path}");
            }
        }
    }

    private static VerificationCase Problem(WeightUpdate update, DType dtype) => new("mutants", update, Shape.Tokens, dtype, Bias: true, Exact: false);

    private static VerificationRow[] Verify(Device device, VerificationCase problem, ExecutionPath path) =>
        [.. LayerVerification.Run(device, problem, new AdaptedLinearOptions { Path = path })];

    private static CoreSource Transpose(CoreSource core) => core with { R = core.S, S = core.R };

    private static KroneckerMode Transpose(KroneckerMode mode) => mode with { FactorRows = mode.FactorColumns, FactorColumns = mode.FactorRows, Contract = !mode.Contract };

    private static KroneckerStep Exchange(KroneckerStep step)
    {
        ImmutableArray<KroneckerMode> modes = step.Modes;
        return step with { Modes = [modes[0] with { Stream = modes[^1].Stream }, .. modes[1..^1], modes[^1] with { Stream = modes[0].Stream }] };
    }

    private static CompiledStep? WithSource(Step step, Device device, Func<RandomSource, RandomSource> alter) => step switch
    {
        KroneckerStep { Core: { } core } kronecker => device.Compile(kronecker with { Factors = alter(kronecker.Factors), Core = core with { Source = alter(core.Source) } }),
        KroneckerStep kronecker => device.Compile(kronecker with { Factors = alter(kronecker.Factors) }),
        CoreProductStep product => device.Compile(product with { Core = product.Core with { Source = alter(product.Core.Source) } }),
        CoreProjectionStep projection => device.Compile(projection with { Core = projection.Core with { Source = alter(projection.Core.Source) } }),
        _ => null,
    };

    private static void Forget(CoreProjectionStep step, INaiveMemory memory, Action run)
    {
        double[] d = memory.Read(step.RowScale, step.Core.R), e = memory.Read(step.ColumnScale, step.Core.S);
        memory.Write(step.RowScale, [.. d.Select(_ => 1.0)]);
        memory.Write(step.ColumnScale, [.. e.Select(_ => 1.0)]);
        run();
        memory.Write(step.RowScale, d);
        memory.Write(step.ColumnScale, e);
    }

    private static void Overwrite(VectorMarginalsStep step, INaiveMemory memory, Action run)
    {
        for (int n = 0; n < step.Vectors.Length; n++)
        {
            memory.Write(step.Gradients[n], new double[step.Vectors[n].Length]);
        }

        run();
    }

    private static void KeepOwnVector(VectorMarginalsStep step, INaiveMemory memory, Action run)
    {
        double[][] before = [.. step.Gradients.Select((gradient, n) => memory.Read(gradient, step.Vectors[n].Length))];
        run();
        for (int n = 0; n < step.Vectors.Length; n++)
        {
            double[] after = memory.Read(step.Gradients[n], step.Vectors[n].Length), vector = memory.Read(step.Vectors[n].Operand, step.Vectors[n].Length);
            memory.Write(step.Gradients[n], [.. after.Select((value, i) => before[n][i] + ((value - before[n][i]) * vector[i]))]);
        }
    }

    private static void LoseLastElement(OuterVectorsStep step, INaiveMemory memory, Action run)
    {
        double stale = memory.Read(step.Output, step.Length)[^1];
        run();
        double[] values = memory.Read(step.Output, step.Length);
        values[^1] = stale;
        memory.Write(step.Output, values);
    }

    private static void PassThroughBFloat16(MatrixProductStep step, INaiveMemory memory, Action run)
    {
        run();
        memory.Write(step.C, Elements.Round(memory.Read(step.C, step.M * step.N), DType.BFloat16));
    }

    private static void TruncateToTF32(MatrixProductStep step, INaiveMemory memory, Action run)
    {
        run();
        memory.Write(step.C, Array.ConvertAll(memory.Read(step.C, step.M * step.N), value => (double)BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits((float)value) & ~0x1FFF)));
    }
}
