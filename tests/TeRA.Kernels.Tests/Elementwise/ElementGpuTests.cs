using System.Collections.Immutable;
using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Elementwise;

/// <summary>
/// Elementwise steps, vectors, losses and the optimiser on the GPU, at the sizes where their kernels take another branch: several parts,
/// blocks instead of warps, tails of quads, addresses off four elements, empty segments.
/// </summary>
[TestFixture]
[Category("Gpu")]
internal sealed class ElementGpuTests
{
    private static readonly DType[] AllDTypes = [DType.Float32, DType.BFloat16, DType.Float16];
    private static readonly long[] Counts = [0, 1, 3, 4, 5, 1023, 4099];
    private static readonly int[] Misalignments = [0, 4];

    [Test]
    public void Conversions_round_to_nearest_even(
        [ValueSource(nameof(AllDTypes))] DType from, [ValueSource(nameof(AllDTypes))] DType to, [ValueSource(nameof(Misalignments))] int misalignment)
    {
        foreach (long count in Counts)
        {
            using var run = new StepRunner(DeviceUnderTest.Cuda) { Misalignment = misalignment };
            double[] values = SeededValues.Normal(count, 1, from, 100);
            double[] special = [double.NaN, double.PositiveInfinity, 1.00390625, 1.01171875, 65520, 65519, 6e-8, 2.9e-8, -0.0];
            special.AsSpan(0, (int)Math.Min(count, special.Length)).CopyTo(values);
            values = Elements.Round(values, from);
            Operand output = run.Output("output", to, count);
            run.Run(new ConvertStep(run.Input("input", from, values), output, count) { Label = "test" });
            Assert.That(run.Read(output), Is.EqualTo(Elements.Round(values, to)), run.Description);
        }
    }

    [Test]
    public void Scaled_sums_are_rounded_once(
        [ValueSource(nameof(AllDTypes))] DType dtype, [Values] bool mixed, [Values] bool inPlace, [ValueSource(nameof(Misalignments))] int misalignment)
    {
        foreach (long count in Counts)
        {
            DType other = mixed ? DType.Float32 : dtype;
            Verify(misalignment, dtype, run =>
            {
                double[] values = SeededValues.Integers(count, 2, 100);
                Operand output = inPlace ? run.InOut("A", dtype, values) : run.Output("output", dtype, count);
                Operand a = inPlace ? output : run.Input("A", dtype, values);
                var step = new ScaledAddStep(a, run.Input("B", other, SeededValues.Integers(count, 3, 100)), output, count) { Label = "test", Alpha = -0.5 };
                return new BoundStep(step, [output], StepAccuracy.Exact);
            });
        }
    }

    [Test]
    public void Activations_agree_to_the_tails([Values] ActivationKind kind, [ValueSource(nameof(AllDTypes))] DType dtype, [ValueSource(nameof(Misalignments))] int misalignment)
    {
        StepAccuracy accuracy = kind == ActivationKind.Relu ? StepAccuracy.Exact : StepAccuracy.Smooth;
        foreach (long count in Counts)
        {
            double[] x = [.. Enumerable.Range(0, (int)count).Select(i => Elements.Round((i - (count / 2)) * (16.0 / Math.Max(count, 1)), dtype))];
            Verify(misalignment, dtype, run =>
            {
                Operand output = run.Output("output", dtype, count);
                return new BoundStep(new ActivationStep(kind, run.Input("x", dtype, x), output, count) { Label = "test" }, [output], accuracy);
            });
            Verify(misalignment, dtype, run =>
            {
                Operand gradient = run.InOut("dy", dtype, SeededValues.Normal(count, 4, dtype));
                var step = new ActivationGradientStep(kind, run.Input("x", dtype, x), gradient, gradient, count) { Label = "test" };
                return new BoundStep(step, [gradient], accuracy);
            });
        }
    }

    [Test]
    public void Relu_keeps_NaN_and_is_flat_at_zero([ValueSource(nameof(AllDTypes))] DType dtype)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        Operand x = run.Input("x", dtype, [double.NaN, 0, -0.0, -1, 2]), y = run.Output("y", dtype, 5), dx = run.Output("dx", dtype, 5);
        run.Run(new ActivationStep(ActivationKind.Relu, x, y, 5) { Label = "test" });
        run.Run(new ActivationGradientStep(ActivationKind.Relu, x, run.Input("dy", dtype, [1, 1, 1, 1, 3]), dx, 5) { Label = "test" });
        Assert.That(run.Read(y), Is.EqualTo(new[] { double.NaN, 0, 0, 0, 2 }));
        Assert.That(run.Read(dx), Is.EqualTo(new[] { double.NaN, 0, 0, 0, 3 }));
    }

    [TestCase(0, 5)]
    [TestCase(1, 1)]
    [TestCase(9, 33)]
    [TestCase(255, 31)]
    [TestCase(256, 64)]
    [TestCase(257, 65)]
    [TestCase(1027, 3)]
    [TestCase(20000, 5)]
    [TestCase(3, 5000)]
    public void Column_sums_add_to_the_gradient(long rows, long columns)
    {
        foreach (DType dtype in AllDTypes)
        {
            Verify(0, dtype, run =>
            {
                Operand output = run.InOut("gradient", DType.Float32, SeededValues.NonZeroIntegers(columns, 5, 9));
                Operand input = run.Input("input", dtype, SeededValues.NonZeroIntegers(rows * columns, 6, 9));
                return new BoundStep(new ColumnSumStep(input, output, rows, columns) { Label = "test" }, [output], StepAccuracy.Exact);
            });
        }
    }

    [TestCase(new long[] { 1 })]
    [TestCase(new long[] { 5000 })]
    [TestCase(new long[] { 16, 16, 16 })]
    [TestCase(new long[] { 2, 3, 1, 7, 5 })]
    [TestCase(new long[] { 1, 33, 1 })]
    [TestCase(new long[] { 100, 99 })]
    [TestCase(new long[] { 3, 4100 })]
    public void Outer_products_and_their_marginals_leave_no_vector_out_twice(long[] lengths)
    {
        foreach (int limit in new[] { 0, 2 })
        {
            Verify(0, DType.Float32, run =>
            {
                Operand output = run.Output("outer", DType.Float32, lengths.Aggregate(1L, (product, length) => product * length));
                return new BoundStep(new OuterVectorsStep(Vectors(run, lengths, limit), output) { Label = "test" }, [output], StepAccuracy.Exact);
            });
            Verify(0, DType.Float32, run =>
            {
                ImmutableArray<VectorOperand> vectors = Vectors(run, lengths, limit);
                ImmutableArray<Operand> gradients =
                    [.. lengths.Select((length, n) => run.InOut($"g{n}", DType.Float32, SeededValues.NonZeroIntegers(length, (ulong)(30 + n), 5)))];
                Operand full = run.Input("full", DType.Float32, SeededValues.NonZeroIntegers(lengths.Aggregate(1L, (product, length) => product * length), 40, 3));
                return new BoundStep(new VectorMarginalsStep(full, vectors, gradients) { Label = "test" }, [.. gradients], StepAccuracy.Exact);
            });
        }
    }

    /// <summary>Zeros among the entries: a gradient that divided by its own vector would be NaN there.</summary>
    private static ImmutableArray<VectorOperand> Vectors(StepRunner run, long[] lengths, int limit) =>
    [
        .. lengths.Select((length, n) => new VectorOperand(
            run.Input($"v{n}", DType.Float32, limit == 0 ? new double[length] : SeededValues.Integers(length, (ulong)(20 + n), limit)), length)),
    ];

    [TestCase(0, 3)]
    [TestCase(1, 1)]
    [TestCase(3, 1365)]
    [TestCase(64, 64)]
    [TestCase(41, 100)]
    [TestCase(90, 1001)]
    public void Squared_errors_and_their_gradients(long rows, long columns)
    {
        foreach ((DType dtype, int misalignment, bool wanted) in AllDTypes.SelectMany(dtype => new[] { (dtype, 0, true), (dtype, 4, true), (dtype, 0, false) }))
        {
            Verify(misalignment, dtype, run =>
            {
                long count = rows * columns;
                Operand loss = run.Output("loss", DType.Float32, 1);
                Operand? gradient = wanted ? run.Output("gradient", dtype, count) : null;
                Operand prediction = run.Input("prediction", dtype, SeededValues.Normal(count, 50, dtype)), target = run.Input("target", dtype, SeededValues.Normal(count, 51, dtype));
                var step = new MeanSquaredErrorStep(prediction, target, loss, gradient, rows, columns) { Label = "test", LossScale = 1024 };
                return new BoundStep(step, gradient is { } operand ? [loss, operand] : [loss], StepAccuracy.Smooth);
            });
        }
    }

    [TestCase(0, 3)]
    [TestCase(1, 1)]
    [TestCase(19, 10)]
    [TestCase(600, 33)]
    [TestCase(5, 1024)]
    [TestCase(5, 1025)]
    [TestCase(300, 1100)]
    public void Cross_entropies_and_their_gradients(long rows, long columns)
    {
        foreach ((DType dtype, bool wanted) in AllDTypes.SelectMany(dtype => new[] { (dtype, true), (dtype, false) }))
        {
            Verify(0, dtype, run =>
            {
                int[] labels = [.. Enumerable.Range(0, (int)rows).Select(row => (int)(row * 7 % columns))];
                Operand loss = run.Output("loss", DType.Float32, 1);
                Operand? gradient = wanted ? run.Output("gradient", dtype, rows * columns) : null;
                Operand logits = run.Input("logits", dtype, SeededValues.Normal(rows * columns, 60, dtype, 20));
                int slot = run.Input("labels", MemoryMarshal.AsBytes(labels.AsSpan()).ToArray());
                var step = new SoftmaxCrossEntropyStep(logits, slot, loss, gradient, rows, columns) { Label = "test", LossScale = 256 };
                return new BoundStep(step, gradient is { } operand ? [loss, operand] : [loss], StepAccuracy.Smooth);
            });
        }
    }

    [TestCase(7)]
    [TestCase(1100)]
    public void A_label_outside_makes_the_loss_and_its_row_NaN_and_no_other(int columns)
    {
        foreach (int label in new[] { -1, columns, int.MinValue, int.MaxValue })
        {
            using var run = new StepRunner(DeviceUnderTest.Cuda);
            int[] labels = [0, label, columns - 1];
            Operand loss = run.Output("loss", DType.Float32, 1), gradient = run.Output("gradient", DType.Float32, 3 * columns);
            Operand logits = run.Input("logits", DType.Float32, SeededValues.Normal(3 * columns, 61, DType.Float32));
            int slot = run.Input("labels", MemoryMarshal.AsBytes(labels.AsSpan()).ToArray());
            run.Run(new SoftmaxCrossEntropyStep(logits, slot, loss, gradient, 3, columns) { Label = "test" });
            double[] found = run.Read(gradient);
            Assert.That(run.Read(loss)[0], Is.NaN);
            Assert.That(found.Select(double.IsNaN), Is.EqualTo(Enumerable.Range(0, 3 * columns).Select(i => i / columns == 1)), $"label {label}");
        }
    }

    [Test]
    public void Optimisers_walk_all_segments_and_count_their_steps(
        [Values] OptimizerKind kind, [Values(0, 1, 9999)] int stepsDone, [Values(0f, 0.9f)] float beta1, [Values] bool clear)
    {
        long[] counts = [0, 1, 0, 255, 256, 0, 1000, 3, 0];
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        Operand[] values = [.. counts.Select((count, i) => run.InOut($"w{i}", DType.Float32, SeededValues.Normal(count, (ulong)(70 + i), DType.Float32)))];
        Operand[] gradients = [.. counts.Select((count, i) => run.InOut($"g{i}", DType.Float32, SeededValues.Normal(count, (ulong)(80 + i), DType.Float32)))];
        long total = 0;
        var segments = new ParameterSegment[counts.Length];
        for (int i = 0; i < counts.Length; total += counts[i++])
        {
            segments[i] = new ParameterSegment { Value = run.AddressOf(values[i].Slot), Gradient = run.AddressOf(gradients[i].Slot), Offset = total, Count = counts[i] };
        }

        var settings = new OptimizerSettings
        {
            LearningRate = 0.01f,
            Beta1 = beta1,
            Beta2 = 0.999f,
            Epsilon = 1e-8f,
            WeightDecay = 0.1f,
            GradientScale = 1f / 128,
            StepsDone = stepsDone,
            ClearGradients = clear ? 1 : 0,
        };
        Operand first = run.InOut("m", DType.Float32, SeededValues.Normal(total, 90, DType.Float32));
        Operand second = run.InOut("v", DType.Float32, [.. SeededValues.Normal(total, 91, DType.Float32).Select(Math.Abs)]);
        int table = run.Input("segments", MemoryMarshal.AsBytes(segments.AsSpan()).ToArray());
        int numbers = run.InOut("settings", MemoryMarshal.AsBytes(new[] { settings }.AsSpan()).ToArray());
        var step = new OptimizerStep(kind, DType.Float32, table, numbers, first.Slot, second.Slot, counts.Length, total) { Label = "test" };
        run.Run(step);
        BoundStep bound = new(step, [.. values, .. gradients, first, second], StepAccuracy.Smooth);
        foreach (Operand output in bound.Outputs)
        {
            Check.That(StepBounds.Compare(run, bound, output, DType.Float32), run.Description);
        }

        OptimizerSettings after = MemoryMarshal.Read<OptimizerSettings>(run.ReadBytes(numbers));
        settings.StepsDone++;
        Assert.That(after, Is.EqualTo(settings), "only the count of steps changes");
    }

    private static void Verify(int misalignment, DType dtype, Func<StepRunner, BoundStep> bind)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda) { Misalignment = misalignment };
        BoundStep bound = bind(run);
        run.Run(bound.Step);
        byte[][] first = [.. bound.Outputs.Select(output => run.ReadBytes(output.Slot))];
        foreach (Operand output in bound.Outputs)
        {
            Check.That(StepBounds.Compare(run, bound, output, dtype), $"{bound.Step} by {run.Description}");
        }

        run.Reset();
        run.Run(bound.Step);
        for (int i = 0; i < first.Length; i++)
        {
            Check.That(Comparer.SameBits("repeat", run.ReadBytes(bound.Outputs[i].Slot), first[i]), run.Description);
        }
    }
}
