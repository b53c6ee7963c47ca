using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;
using Check = TeRA.Kernels.Tests.Support.Check;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>What must hold for every shape of every method beside TeRA, tried on a hundred random ones each, in float64 on the CPU.</summary>
internal sealed class MethodProperties
{
    private const double Tolerance = 1e-11;

    private static readonly Gen<long> Lengths = Gen.Elements(1L, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65);

    private static readonly Gen<long> Tokens = Gen.Elements(0L, 1, 2, 3, 8, 17, 33, 65, 129);

    private static Arbitrary<(WeightUpdate Update, long Tokens)> Problems => (
        from n in Lengths
        from k in Lengths
        from rank in Gen.Elements(1L, 2, 3, 4, 5, 8, 17)
        from method in Gen.Choose(0, 8)
        from tokens in Tokens
        select (Update(method, n, k, rank), tokens)).ToArbitrary();

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
    public void Y_is_linear_in_X() => ForAll((data, path) =>
    {
        double[] other = SeededValues.Normal(data.X.Length, 77, DType.Float64);
        double[] sum = Run(data with { X = [.. data.X.Zip(other, (x, z) => x - (3 * z))] }, path).Y;
        double[] first = Run(data, path).Y, second = Run(data with { X = other }, path).Y;
        Close("y", sum, [.. first.Zip(second, (a, b) => a - (3 * b))]);
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
        LayerValues values = Run(data, path);
        double[] y = Dense.Multiply(data.X, Dense.Transpose(values.Merged, data.OutFeatures, data.InFeatures), data.Tokens, data.OutFeatures, data.InFeatures);
        Close("y", values.Y, y);
        Close("dx", values.InputGradient, Dense.Multiply(data.OutputGradient, values.Merged, data.Tokens, data.InFeatures, data.OutFeatures));
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

    private static WeightUpdate Update(int method, long n, long k, long rank)
    {
        long shorter = Math.Min(n, k), longer = Math.Max(n, k), bases = ((shorter - 1) / rank) + 1;
        return method switch
        {
            0 => new LowRankUpdate(n, k, rank, alpha: 3),
            1 => new LotrUpdate(n, k, rank, LotrSides.Trained, seed: 1),
            2 => new LotrUpdate(n, k, rank, LotrSides.Frozen, seed: 2),
            3 => new VeraUpdate(n, k, rank),
            4 => new VeraUpdate(n, k, rank, FrozenBases.Given(DType.Float32, [rank, k + 2], [n + 1, rank])),
            5 => new RandLoraUpdate(n, k, rank, RandLoraPairing.Paper, FrozenBases.Generated(3, Distribution.Uniform), alpha: rank),
            6 => new RandLoraUpdate(n, k, rank, RandLoraPairing.Peft, FrozenBases.Generated(4, RandLoraUpdate.Sparse), alpha: rank),
            7 => new RandLoraUpdate(n, k, rank, RandLoraPairing.Paper, FrozenBases.Given(DType.Float64, [rank, 1, shorter], [longer, bases, rank]), alpha: rank),
            _ => new RandLoraUpdate(n, k, rank, RandLoraPairing.Peft, FrozenBases.Given(DType.Float32, [rank, 1, shorter + 1], [longer + 3, bases + 1, rank]), alpha: rank),
        };
    }

    private static void ForAll(Action<LayerData, ExecutionPath> property) =>
        FsCheck.Fluent.Prop.ForAll(Problems, problem =>
        {
            LayerData data = LayerData.Normal(problem.Update, problem.Tokens, DType.Float64, bias: false);
            property(data, problem.Tokens % 2 == 0 ? ExecutionPath.Merged : ExecutionPath.Factored);
        }).QuickCheckThrowOnFailure();

    private static LayerValues Run(LayerData data, ExecutionPath path) => LayerRunner.Run(DeviceUnderTest.Cpu, data, new AdaptedLinearOptions { Path = path });

    private static LayerData Replace(LayerData data, int index, double[] tensor)
    {
        double[][] trained = [.. data.Trained];
        trained[index] = tensor;
        return data with { Trained = trained };
    }

    private static void Close(string name, double[] actual, double[] expected)
    {
        double size = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        Check.That(Comparer.Within(name, actual, expected, Tolerance * (size + 1), zerosAreRight: true));
    }
}
