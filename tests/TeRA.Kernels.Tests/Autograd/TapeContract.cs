using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>The tape: gradients through chains, reuse of nodes, training.</summary>
internal abstract class TapeContract
{
    private readonly List<IDisposable> owned = [];

    protected abstract Device Device { get; }

    protected abstract DType DType { get; }

    [TearDown]
    public void DisposeAll()
    {
        owned.Reverse();
        owned.ForEach(item => item.Dispose());
        owned.Clear();
    }

    [Test]
    public void Gradients_of_a_network_are_the_derivatives([Values] bool crossEntropy, [Values] bool gelu)
    {
        AdaptedLinear first = Layer(6, 4, new TeraUpdate([2, 3], [2, 2], [4], [3])), second = Layer(3, 6, new LowRankUpdate(3, 6, 2));
        Tensor x = Normal(1, 5, 4), target = Normal(2, 5, 3);
        using var labels = new Labels(Device, [0, 2, 1, 1, 0]);
        using var tape = new Tape(Device);
        Tensor Loss()
        {
            tape.Reset();
            Tensor hidden = tape.Linear(first, x);
            Tensor y = tape.Linear(second, gelu ? tape.Gelu(hidden) : tape.Relu(hidden));
            return crossEntropy ? tape.SoftmaxCrossEntropy(y, labels) : tape.MeanSquaredError(y, target);
        }

        tape.Backward(Loss());
        foreach (Parameter parameter in first.Parameters.Concat(second.Parameters))
        {
            CheckDerivative(parameter, () => LayerFixture.Read(Loss())[0]);
        }
    }

    [Test]
    public void A_tensor_used_twice_gets_both_gradients()
    {
        AdaptedLinear first = Layer(4, 4, new LowRankUpdate(4, 4, 2)), second = Layer(4, 4, new LowRankUpdate(4, 4, 2));
        Tensor x = Normal(1, 3, 4), target = Normal(2, 3, 4);
        using var tape = new Tape(Device);
        Tensor Loss()
        {
            tape.Reset();
            Tensor shared = tape.Linear(first, x);
            Tensor residual = tape.Add(shared, tape.Linear(second, tape.Gelu(shared)));
            return tape.MeanSquaredError(tape.Add(residual, residual), target);
        }

        tape.Backward(Loss());
        foreach (Parameter parameter in first.Parameters.Concat(second.Parameters))
        {
            CheckDerivative(parameter, () => LayerFixture.Read(Loss())[0]);
        }
    }

    [Test]
    public void A_layer_used_twice_gets_both_gradients()
    {
        AdaptedLinear layer = Layer(4, 4, new TeraUpdate([2, 2], [2, 3], [4], [3]));
        Tensor x = Normal(1, 3, 4), target = Normal(2, 3, 4);
        using var tape = new Tape(Device);
        Tensor Loss()
        {
            tape.Reset();
            return tape.MeanSquaredError(tape.Linear(layer, tape.Linear(layer, x)), target);
        }

        tape.Backward(Loss());
        foreach (Parameter parameter in layer.Parameters)
        {
            CheckDerivative(parameter, () => LayerFixture.Read(Loss())[0]);
        }
    }

    [Test]
    public void A_frozen_layer_before_the_trained_ones_gets_no_gradient_and_one_between_passes_it_on()
    {
        AdaptedLinear before = Layer(4, 4, null), trained = Layer(4, 4, new LowRankUpdate(4, 4, 2)), between = Layer(3, 4, null);
        Tensor x = Normal(1, 3, 4), target = Normal(2, 3, 3);
        using var tape = new Tape(Device);
        Tensor Loss()
        {
            tape.Reset();
            return tape.MeanSquaredError(tape.Linear(between, tape.Linear(trained, tape.Linear(before, x))), target);
        }

        tape.Backward(Loss());
        foreach (Parameter parameter in trained.Parameters)
        {
            CheckDerivative(parameter, () => LayerFixture.Read(Loss())[0]);
        }

        Assert.That(() => tape.Backward(tape.Linear(before, x), x), Throws.InvalidOperationException.With.Message.StartsWith("Nothing trained leads to this tensor"));
    }

    [Test]
    public void The_same_calls_after_reset_meet_the_same_tensors_and_another_course_meets_new_ones()
    {
        AdaptedLinear layer = Layer(4, 4, new LowRankUpdate(4, 4, 2));
        Tensor x = Normal(1, 3, 4), target = Normal(2, 3, 4);
        using var tape = new Tape(Device);
        Tensor hidden = tape.Linear(layer, x), active = tape.Relu(hidden), loss = tape.MeanSquaredError(active, target);
        tape.Reset();
        Assert.That(tape.Linear(layer, Normal(5, 3, 4)), Is.SameAs(hidden), "another tensor of the same shape");
        Assert.That(tape.Relu(hidden), Is.SameAs(active));
        Assert.That(tape.MeanSquaredError(active, target), Is.SameAs(loss));
        tape.Reset();
        Assert.That(tape.Linear(layer, x), Is.SameAs(hidden));
        Assert.That(tape.Gelu(hidden), Is.Not.SameAs(active));
        Assert.That(() => active.Address, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_loss_scale_scales_gradients_and_not_the_loss()
    {
        AdaptedLinear layer = Layer(3, 4, new LowRankUpdate(3, 4, 2));
        Tensor x = Normal(1, 3, 4), target = Normal(2, 3, 3);
        using var tape = new Tape(Device);
        double loss = Step(tape);
        double[] gradients = Gradients(layer);
        layer.ZeroGradients();
        tape.LossScale = 1024;
        Assert.That(Step(tape), Is.EqualTo(loss));
        Assert.That(Gradients(layer), Is.EqualTo(gradients.Select(value => 1024 * value)));

        double Step(Tape tape)
        {
            tape.Reset();
            Tensor value = tape.MeanSquaredError(tape.Linear(layer, x), target);
            tape.Backward(value);
            return LayerFixture.Read(value)[0];
        }
    }

    [Test]
    public void A_gradient_from_outside_runs_backwards_too()
    {
        AdaptedLinear layer = Layer(3, 4, new LowRankUpdate(3, 4, 2));
        Tensor x = Normal(1, 5, 4), gradient = Normal(2, 5, 3), y = Normal(3, 5, 3);
        using var tape = new Tape(Device);
        tape.Backward(tape.Linear(layer, x), gradient);
        double[] taped = Gradients(layer);
        layer.ZeroGradients();
        using var context = new LayerContext();
        layer.Forward(x, y, context);
        layer.Backward(context, x, gradient, null);
        Assert.That(Gradients(layer), Is.EqualTo(taped));
    }

    [Test]
    public void Micro_batches_add_up_to_the_batch()
    {
        AdaptedLinear layer = Layer(3, 4, new LowRankUpdate(3, 4, 2));
        Tensor x = Normal(1, 6, 4), target = Normal(2, 6, 3);
        using var tape = new Tape(Device);
        tape.Backward(tape.MeanSquaredError(tape.Linear(layer, x), target));
        double[] whole = Gradients(layer);
        layer.ZeroGradients();
        for (int part = 0; part < 3; part++)
        {
            tape.Reset();
            tape.Backward(tape.MeanSquaredError(tape.Linear(layer, x.Slice(part * 8, 2, 4)), target.Slice(part * 6, 2, 3)));
        }

        double scale = whole.Max(Math.Abs);
        Check.That(Comparer.Within("sum of micro-batches", [.. Gradients(layer).Select(value => value / 3)], whole, 1e-5 * scale));
    }

    [Test]
    public void A_small_regression_converges([Values] bool adamW)
    {
        AdaptedLinear layer = Layer(4, 6, new TeraUpdate([2, 2], [2, 2], [3, 2], [3, 2], seed: 5), new AdaptedLinearOptions { TrainBias = true }, keepStart: true);
        AdaptedLinear teacher = Layer(4, 6, layer.Update!, new AdaptedLinearOptions());
        Tensor x = Normal(1, 32, 6), target = Normal(2, 32, 4);
        teacher.Forward(x, target);
        using var tape = new Tape(Device);
        using Optimizer optimizer = adamW ? new AdamW(layer.Parameters, 0.03f, weightDecay: 0) : new Sgd(layer.Parameters, 0.05f, momentum: 0.9f);
        optimizer.ClearsGradients = true;
        double first = 0, last = 0;
        for (int step = 0; step < 400; step++)
        {
            tape.Reset();
            Tensor loss = tape.MeanSquaredError(tape.Linear(layer, x), target);
            tape.Backward(loss);
            optimizer.Step();
            last = step is 0 or 399 ? LayerFixture.Read(loss)[0] : last;
            first = step == 0 ? last : first;
        }

        Assert.That(last, Is.LessThan(0.01 * first), $"from {first} to {last}");
        Assert.That(optimizer.StepsDone, Is.EqualTo(400));
    }

    protected AdaptedLinear Layer(long n, long k, WeightUpdate? update, AdaptedLinearOptions? options = null, bool keepStart = false)
    {
        Tensor weight = Normal(50, 0.5, n, k);
        var layer = new AdaptedLinear(Device, weight, null, update, options);
        owned.Add(layer);
        ulong seed = 60;
        foreach (Parameter parameter in layer.Parameters.Where(_ => !keepStart))
        {
            LayerFixture.Write(parameter.Value, SeededValues.AwayFromZero(parameter.Value.ElementCount, seed++, DType.Float32));
        }

        return layer;
    }

    protected Tensor Normal(ulong seed, params long[] shape) => Normal(seed, 1, shape);

    private Tensor Normal(ulong seed, double scale, params long[] shape)
    {
        Tensor tensor = Device.Allocate(DType, shape);
        owned.Add(tensor);
        LayerFixture.Write(tensor, SeededValues.Normal(tensor.ElementCount, seed, DType, scale));
        return tensor;
    }

    private static double[] Gradients(AdaptedLinear layer) => [.. layer.Parameters.SelectMany(parameter => LayerFixture.Read(parameter.Gradient))];

    private void CheckDerivative(Parameter parameter, Func<double> loss)
    {
        // In float32 the step must be short as well, since a difference across a kink of ReLU is no derivative, and the loss's own
        // rounding is then part of the quotient.
        (double step, double tolerance) = DType == DType.Float64 ? (1e-6, 1e-5) : (1e-3, 2e-3);
        double noise = 8 * DType.UnitRoundoff() * Math.Abs(loss()) / step;
        double[] at = LayerFixture.Read(parameter.Value), gradient = LayerFixture.Read(parameter.Gradient);
        for (int i = 0; i < at.Length; i++)
        {
            double numeric = (At(i, step) - At(i, -step)) / (2 * step);
            Assert.That(gradient[i], Is.EqualTo(numeric).Within((tolerance * (1 + Math.Abs(numeric))) + noise), $"{parameter.Name}[{i}]");
        }

        LayerFixture.Write(parameter.Value, at);

        double At(int index, double change)
        {
            double[] moved = [.. at];
            moved[index] += change;
            LayerFixture.Write(parameter.Value, moved);
            return loss();
        }
    }
}

/// <summary>On the interpreter, in float64.</summary>
[TestFixture]
internal sealed class NaiveTapeTests : TapeContract
{
    private static readonly NaiveDevice Interpreter = new();

    protected override Device Device => Interpreter;

    protected override DType DType => DType.Float64;
}
