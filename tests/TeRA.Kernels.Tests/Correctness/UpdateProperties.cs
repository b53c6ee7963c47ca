using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;
using Check = TeRA.Kernels.Tests.Support.Check;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>
/// What must hold for every shape of every method, tried on a hundred random ones each, in float64 on the CPU. FsCheck shrinks a failure and prints
/// the seed that replays it.
/// </summary>
internal abstract class UpdateProperties
{
    private const double Tolerance = 1e-11;

    private protected abstract Arbitrary<(WeightUpdate Update, long Tokens)> Problems { get; }

    [Test]
    public void The_paths_agree() => ForAll((data, unused) =>
    {
        LayerValues merged = Run(data, ExecutionPath.Merged), factored = Run(data, ExecutionPath.Factored);
        foreach (((string name, _, double[] a), (_, _, double[] b)) in merged.Quantities(data.Update).Zip(factored.Quantities(data.Update)))
        {
            Close(name, a, b);
        }
    });

    [Test]
    public void Both_paths_agree_with_the_reference() => ForAll((data, unused) =>
    {
        foreach (ExecutionPath path in new[] { ExecutionPath.Merged, ExecutionPath.Factored })
        {
            Assert.That(LayerComparer.Compare(data, Run(data, path)).Where(error => error.Comparison.Status == ComparisonStatus.Failed), Is.Empty);
        }
    });

    [Test]
    public void Y_is_linear_in_X() => ForAll((data, path) =>
    {
        double[] other = SeededValues.Normal(data.X.Length, 77, DType.Float64);
        LayerData withoutBias = data with { Bias = null };
        double[] sum = Run(withoutBias with { X = [.. data.X.Zip(other, (x, z) => x - (3 * z))] }, path).Y;
        double[] first = Run(withoutBias, path).Y, second = Run(withoutBias with { X = other }, path).Y;
        Close("y", sum, [.. first.Zip(second, (a, b) => a - (3 * b))]);
    });

    [Test]
    public void Tokens_do_not_see_each_other() => ForAll((data, path) =>
    {
        long half = data.Tokens / 2;
        LayerData Part(long from, long to) => data with
        {
            Tokens = to - from,
            X = data.X[(int)(from * data.InFeatures)..(int)(to * data.InFeatures)],
            OutputGradient = data.OutputGradient[(int)(from * data.OutFeatures)..(int)(to * data.OutFeatures)],
        };
        LayerValues whole = Run(data, path), first = Run(Part(0, half), path), second = Run(Part(half, data.Tokens), path);
        Close("y", whole.Y, [.. first.Y, .. second.Y]);
        Close("dx", whole.InputGradient, [.. first.InputGradient, .. second.InputGradient]);
        for (int i = 0; i < whole.Gradients.Length; i++)
        {
            Close("gradients add up", whole.Gradients[i], [.. first.Gradients[i].Zip(second.Gradients[i], (a, b) => a + b)]);
        }
    });

    [Test]
    public void The_update_is_linear_in_each_trained_tensor() => ForAll((data, path) =>
    {
        for (int i = 0; i < data.Trained.Length; i++)
        {
            double[] other = SeededValues.Normal(data.Trained[i].Length, 78, DType.Float64);
            double[] sum = Run(Replace(data, i, [.. data.Trained[i].Zip(other, (v, w) => v + (2 * w))]), path).Delta;
            double[] first = Run(data, path).Delta, second = Run(Replace(data, i, other), path).Delta;
            Close(data.Update!.Trained[i].Name, sum, [.. first.Zip(second, (a, b) => a + (2 * b))]);
        }
    });

    [Test]
    public void Merging_equals_forward() => ForAll((data, path) =>
    {
        LayerValues values = Run(data with { Bias = null }, path);
        double[] y = Dense.Multiply(data.X, Dense.Transpose(values.Merged, data.OutFeatures, data.InFeatures), data.Tokens, data.OutFeatures, data.InFeatures);
        Close("y", values.Y, y);
        Close("dx", values.InputGradient, Dense.Multiply(data.OutputGradient, values.Merged, data.Tokens, data.InFeatures, data.OutFeatures));
    });

    [Test]
    public void Backward_is_the_transpose_of_forward() => ForAll((data, path) =>
    {
        LayerValues values = Run(data with { Bias = null }, path);
        double left = values.Y.Zip(data.OutputGradient, (a, b) => a * b).Sum(), right = values.InputGradient.Zip(data.X, (a, b) => a * b).Sum();
        double size = values.Y.Zip(data.OutputGradient, (a, b) => Math.Abs(a * b)).Sum() + 1;
        Assert.That(left, Is.EqualTo(right).Within(Tolerance * size));
    });

    [Test]
    public void A_tensor_times_its_gradient_is_the_updates_share_of_the_loss() => ForAll((data, path) =>
    {
        // Y's update part is homogeneous of degree one in every trained tensor, so v·∂L/∂v = Σ dY∘(α·X·ΔWᵀ) for each.
        LayerValues values = Run(data, path);
        double share = Dense.Multiply(data.X, Dense.Transpose(values.Delta, data.OutFeatures, data.InFeatures), data.Tokens, data.OutFeatures, data.InFeatures)
            .Zip(data.OutputGradient, (a, b) => a * b).Sum();
        double size = DenseReference.Compute(data, Magnitude.Absolute).Gradients[0].Zip(data.Trained[0], (a, b) => Math.Abs(a * b)).Sum() + 1;
        for (int i = 0; i < data.Trained.Length; i++)
        {
            Assert.That(values.Gradients[i].Zip(data.Trained[i], (a, b) => a * b).Sum(), Is.EqualTo(share).Within(Tolerance * size));
        }
    });

    [Test]
    public void A_disabled_update_leaves_the_base_bit_for_bit() => ForAll((data, path) =>
    {
        LayerValues plain = Run(data with { Update = null, Trained = [], Stored = [] }, path);
        (double[] y, double[] dx, double[] merged) = RunDisabled(data, path);
        Assert.That(y, Is.EqualTo(plain.Y));
        Assert.That(dx, Is.EqualTo(plain.InputGradient));
        Assert.That(merged, Is.EqualTo(data.Weight));
    });

    private protected void ForAll(Action<LayerData, ExecutionPath> property) =>
        FsCheck.Fluent.Prop.ForAll(Problems, problem =>
        {
            LayerData data = LayerData.Normal(problem.Update, problem.Tokens, DType.Float64, bias: true);
            property(data, problem.Tokens % 2 == 0 ? ExecutionPath.Merged : ExecutionPath.Factored);
        }).QuickCheckThrowOnFailure();

    private protected static LayerValues Run(LayerData data, ExecutionPath path) => LayerRunner.Run(DeviceUnderTest.Cpu, data, new AdaptedLinearOptions { Path = path });

    private protected static void Close(string name, double[] actual, double[] expected)
    {
        double size = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        Check.That(Comparer.Within(name, actual, expected, Tolerance * (size + 1), zerosAreRight: true));
    }

    private static (double[] Y, double[] InputGradient, double[] Merged) RunDisabled(LayerData data, ExecutionPath path)
    {
        CpuDevice device = CpuDevice.Shared;
        Tensor New(params long[] shape) => device.Allocate(data.DType, shape);
        using Tensor weight = LayerRunner.Upload(New(data.OutFeatures, data.InFeatures), data.Weight), bias = LayerRunner.Upload(New(data.OutFeatures), data.Bias!);
        using Tensor x = LayerRunner.Upload(New(data.Tokens, data.InFeatures), data.X), dy = LayerRunner.Upload(New(data.Tokens, data.OutFeatures), data.OutputGradient);
        using Tensor y = New(data.Tokens, data.OutFeatures), dx = New(data.Tokens, data.InFeatures), merged = New(data.OutFeatures, data.InFeatures);
        Tensor[] stored = [.. data.Stored.Select((values, i) => LayerRunner.Upload(device.Allocate(data.Update!.Stored[i].DType, data.Update.Stored[i].Shape.AsSpan()), values))];
        using var layer = new AdaptedLinear(device, weight, bias, data.Update, new AdaptedLinearOptions { Path = path }, new GivenTensors { Stored = stored });
        using var context = new LayerContext();
        LayerRunner.Load(layer, data);
        layer.EnableOnly(null);
        layer.Forward(x, y, context);
        layer.Backward(context, x, dy, dx);
        layer.Merge(merged);
        double[][] results = [LayerRunner.Download(y), LayerRunner.Download(dx), LayerRunner.Download(merged)];
        Array.ForEach(stored, tensor => tensor.Dispose());
        return (results[0], results[1], results[2]);
    }

    private static LayerData Replace(LayerData data, int index, double[] tensor)
    {
        double[][] trained = [.. data.Trained];
        trained[index] = tensor;
        return data with { Trained = trained };
    }
}
