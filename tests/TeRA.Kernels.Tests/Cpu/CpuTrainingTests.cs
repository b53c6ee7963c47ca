using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>Losses and the optimiser step on the CPU device.</summary>
[TestFixture]
internal sealed class CpuTrainingTests
{
    private static readonly DType[] DTypes = [DType.Float32, DType.Float64, DType.BFloat16, DType.Float16];
    private static readonly (int Rows, int Columns)[] Shapes = [(0, 3), (1, 1), (2, 5), (7, 10), (65, 129), (4097, 3)];

    [Test]
    public void Mean_squared_error_and_its_gradient_are_right(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Shapes))] (int Rows, int Columns) shape, [Values] bool wanted)
    {
        long count = (long)shape.Rows * shape.Columns;
        CpuCase.Run(
            run =>
            {
                Operand loss = run.Output("loss", dtype.ParameterDType(), 1);
                Operand? gradient = wanted ? run.Output("gradient", dtype, count) : null;
                var step = new MeanSquaredErrorStep(
                    run.Input("x", dtype, CpuCase.Values(count, 1)), run.Input("t", dtype, CpuCase.Values(count, 2)), loss, gradient, shape.Rows, shape.Columns)
                {
                    Label = "mean squared error",
                    LossScale = 8,
                };
                return (step, gradient is { } present ? [loss, present] : [loss]);
            },
            terms: 64, // The reference adds up to 12291 squares one after the other.
            magnitudes: false);
    }

    [Test]
    public void Cross_entropy_and_its_gradient_are_right(
        [ValueSource(nameof(DTypes))] DType dtype, [ValueSource(nameof(Shapes))] (int Rows, int Columns) shape, [Values] bool wanted)
    {
        long count = (long)shape.Rows * shape.Columns;
        var random = new Random(4);
        int[] labels = [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(shape.Columns))];
        CpuCase.Run(run => CrossEntropy(run, dtype, shape, [.. CpuCase.Values(count, 1).Select(x => 10 * x)], labels, wanted), terms: 64, magnitudes: false);
    }

    [TestCase(-1)]
    [TestCase(4)]
    [TestCase(int.MinValue)]
    public void A_label_outside_makes_the_loss_and_its_row_NaN(int label)
    {
        using var run = new StepRunner(CpuCase.Devices[1]);
        (Step step, Operand[] outputs) = CrossEntropy(run, DType.Float32, (3, 4), CpuCase.Values(12, 1), [0, label, 3], true);
        run.Run(step);
        Assert.That(run.Read(outputs[0]), Is.EqualTo(new[] { double.NaN }));
        Assert.That(run.Read(outputs[1]).Select(double.IsNaN), Is.EqualTo(Enumerable.Range(0, 12).Select(i => i / 4 == 1)));
    }

    [Test]
    public void Optimiser_steps_follow_their_rules(
        [Values] OptimizerKind kind, [Values(DType.Float32, DType.Float64)] DType dtype, [Values(0, 1, 50)] int stepsDone, [Values] bool clear, [Values(0f, 0.9f)] float beta1)
    {
        int[] counts = [5, 1, 0, 4097, 33];
        int total = counts.Sum();
        foreach (CpuDevice device in CpuCase.Devices)
        {
            using var run = new StepRunner(device);
            Operand[] values = [.. counts.Select((n, i) => run.InOut($"w{i}", dtype, CpuCase.Values(n, i)))];
            Operand[] gradients = [.. counts.Select((n, i) => run.InOut($"g{i}", dtype, CpuCase.Values(n, 10 + i)))];
            var segments = new ParameterSegment[counts.Length];
            for (int i = 0; i < counts.Length; i++)
            {
                segments[i] = new ParameterSegment
                {
                    Value = run.AddressOf(values[i].Slot),
                    Gradient = run.AddressOf(gradients[i].Slot),
                    Offset = counts.Take(i).Sum(),
                    Count = counts[i],
                };
            }

            OptimizerSettings[] settings =
            [
                new()
                {
                    LearningRate = 0.01f, Beta1 = beta1, Beta2 = 0.999f, Epsilon = 1e-8f, WeightDecay = 0.1f, GradientScale = 0.5f,
                    StepsDone = stepsDone, ClearGradients = clear ? 1 : 0,
                },
            ];
            // The first step of SGD must not read the velocity: it is NaN here.
            bool unread = kind == OptimizerKind.Sgd && (stepsDone == 0 || beta1 == 0);
            Operand first = unread ? run.Output("v", dtype, total) : run.InOut("m", dtype, CpuCase.Values(total, 30));
            Operand second = run.InOut("v2", dtype, [.. CpuCase.Values(total, 31).Select(Math.Abs)]);
            int settingsSlot = run.InOut("settings", MemoryMarshal.AsBytes(settings.AsSpan()).ToArray());
            var step = new OptimizerStep(
                kind, dtype, run.Input("segments", MemoryMarshal.AsBytes(segments.AsSpan()).ToArray()), settingsSlot, first.Slot, second.Slot, counts.Length, total)
            {
                Label = kind.ToString(),
            };
            run.Run(step);
            foreach (Operand operand in (Operand[])[.. values, .. gradients, first, second])
            {
                double[] expected = run.Expected(operand);
                double[] bounds = [.. expected.Select(x => 16 * dtype.UnitRoundoff() * (Math.Abs(x) + 2.5))];
                Check.That(Comparer.Within(kind.ToString(), run.Read(operand), expected, bounds, zerosAreRight: true));
            }

            Assert.That(MemoryMarshal.Cast<byte, OptimizerSettings>(run.ReadBytes(settingsSlot))[0].StepsDone, Is.EqualTo(stepsDone + 1));
        }
    }

    private static (Step Step, Operand[] Outputs) CrossEntropy(
        StepRunner run, DType dtype, (int Rows, int Columns) shape, double[] logits, int[] labels, bool wanted)
    {
        Operand loss = run.Output("loss", dtype.ParameterDType(), 1);
        Operand? gradient = wanted ? run.Output("gradient", dtype, logits.Length) : null;
        int labelsSlot = run.Input("labels", MemoryMarshal.AsBytes(labels.AsSpan()).ToArray());
        var step = new SoftmaxCrossEntropyStep(run.Input("x", dtype, logits), labelsSlot, loss, gradient, shape.Rows, shape.Columns)
        {
            Label = "cross-entropy",
            LossScale = 4,
        };
        return (step, gradient is { } present ? [loss, present] : [loss]);
    }
}
