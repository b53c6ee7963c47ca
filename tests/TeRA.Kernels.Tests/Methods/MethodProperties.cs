using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Tests.Correctness;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>The shapes of every method beside TeRA.</summary>
internal sealed class MethodProperties : UpdateProperties
{
    private static readonly Gen<long> Lengths = Gen.Elements(1L, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65);

    private static readonly Gen<long> Tokens = Gen.Elements(0L, 1, 2, 3, 8, 17, 33, 65, 129, 1025, 3001);

    private static readonly Gen<(long N, long K, LotrUpdate Update, long[] Tokens)> Groups =
        from n in Lengths
        from k in Lengths
        from rank in Gen.Elements(1L, 2, 3, 5, 8)
        from layers in Gen.Choose(1, 5)
        from tokens in Gen.Elements(0L, 1, 2, 7, 33).ArrayOf(layers)
        select (n, k, new LotrUpdate(n, k, rank, LotrSides.Trained, seed: 5), tokens);

    private protected override Arbitrary<(WeightUpdate Update, long Tokens)> Problems => (
        from n in Lengths
        from k in Lengths
        from rank in Gen.Elements(1L, 2, 3, 4, 5, 8, 17)
        from method in Gen.Choose(0, 8)
        from tokens in Tokens
        select (Update(method, n, k, rank), tokens)).ToArbitrary();

    [Test]
    public void Group_gradients_equal_the_sum_over_the_layers() => FsCheck.Fluent.Prop.ForAll(Groups.ToArbitrary(), problem =>
    {
        (long n, long k, LotrUpdate update, long[] tokens) = problem;
        using var group = new LotrGroup("group", CpuDevice.Shared, DType.Float64, update);
        AdapterLayer[] layers = [.. tokens.Select(count => new AdapterLayer(CpuDevice.Shared, n, k, count, new AdaptedLinearOptions(), DType.Float64))];
        double[][] sums = [new double[n * update.Rank], new double[update.Rank * k]];
        for (int i = 0; i < layers.Length; i++)
        {
            LayerAdapter alone = layers[i].Add("alone", update), shared = layers[i].Add("shared", update, group.Given);
            double[] core = SeededValues.AwayFromZero(update.Rank * update.Rank, (ulong)i, DType.Float64);
            LayerFixture.Write(alone.Parameters[0].Value, core);
            LayerFixture.Write(shared.Parameters[0].Value, core);
            layers[i].Linear.EnableOnly(alone);
            layers[i].Forward();
            layers[i].Backward();
            sums = [.. sums.Select((sum, side) => sum.Zip(LayerFixture.Read(alone.Parameters[1 + side].Gradient), (a, b) => a + b).ToArray())];
            layers[i].Linear.EnableOnly(shared);
        }

        foreach (AdapterLayer layer in layers)
        {
            layer.Forward();
            layer.Backward();
        }

        for (int side = 0; side < 2; side++)
        {
            Close(group.Parameters[side].Name, LayerFixture.Read(group.Parameters[side].Gradient), sums[side]);
        }

        Array.ForEach(layers, layer => layer.Dispose());
    }).QuickCheckThrowOnFailure();

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
}
