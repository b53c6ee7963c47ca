using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>What the tape and the optimisers refuse, in which words.</summary>
internal sealed class TapeErrorTests
{
    private static readonly NaiveDevice Device = new();

    [Test]
    public void Tensors_that_do_not_belong_to_the_step()
    {
        using var tape = new Tape(Device);
        using Tensor x = Device.From<float>([1, 2], 1, 2), target = Device.From<float>([1, 2], 1, 2);
        Tensor relu = tape.Relu(x);
        Tensor loss = tape.MeanSquaredError(relu, target);
        Refused(() => tape.Backward(relu), "loss", "Expected a loss that this tape computed since its last Reset");
        Refused(() => tape.Backward(loss, loss), "output", "Expected an output that this tape computed");
        Assert.That(() => tape.Backward(loss), Throws.InvalidOperationException);
        tape.Reset();
        Refused(() => tape.Gelu(relu), "x", "an output of this tape's previous step");
        Refused(() => tape.Backward(loss), "loss", "since its last Reset");
    }

    [Test]
    public void Shapes_that_do_not_fit()
    {
        using var tape = new Tape(Device);
        using Tensor x = Device.From<float>([1, 2], 1, 2), column = Device.From<float>([1, 2], 2, 1), scalar = Device.From<float>([1]);
        using var labels = new Labels(Device, [0, 1]);
        Refused(() => tape.MeanSquaredError(x, column), "target", "Expected the prediction's shape");
        Refused(() => tape.Add(x, column), "b", "Expected the shape of a");
        Refused(() => tape.SoftmaxCrossEntropy(x, labels), "labels", "Expected 1 labels on naive, one for each row of the logits, found 2");
        Refused(() => tape.MeanSquaredError(scalar.Slice(0), scalar.Slice(0)), "prediction", "with at least one column");
        Refused(() => labels.CopyFrom([1, 2, 3]), "values", "Expected 2 labels, found 3");
        tape.Dispose();
        Assert.That(() => tape.Relu(x), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Optimisers_of_nothing_or_nonsense()
    {
        using Tensor weight = Device.From<float>([1, 2], 1, 2);
        using var layer = new AdaptedLinear(Device, weight, null, new LowRankUpdate(1, 2, 1));
        Refused(() => _ = new AdamW([]), "parameters", "Expected at least one parameter");
        Refused(() => _ = new AdamW([.. layer.Parameters, layer.Parameters[0]]), "parameters", "listed twice");
        Assert.That(() => new AdamW(layer.Parameters, beta1: 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Sgd(layer.Parameters, float.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        using var sgd = new Sgd(layer.Parameters, 1);
        Assert.That(() => sgd.LearningRate = -1, Throws.TypeOf<ArgumentOutOfRangeException>());
        sgd.Dispose();
        Assert.That(() => sgd.Step(), Throws.TypeOf<ObjectDisposedException>());
    }

    private static void Refused(Action call, string argument, string words)
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(call)!;
        Assert.That(refusal.Message, Does.Contain(words));
        Assert.That(refusal.ParamName, Is.EqualTo(argument));
    }
}
