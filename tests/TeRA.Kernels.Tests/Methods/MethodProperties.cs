using FsCheck;
using FsCheck.Fluent;
using TeRA.Kernels.Tests.Correctness;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>The shapes of every method beside TeRA.</summary>
internal sealed class MethodProperties : UpdateProperties
{
    private static readonly Gen<long> Lengths = Gen.Elements(1L, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65);

    private static readonly Gen<long> Tokens = Gen.Elements(0L, 1, 2, 3, 8, 17, 33, 65, 129, 1025, 3001);

    private protected override Arbitrary<(WeightUpdate Update, long Tokens)> Problems => (
        from n in Lengths
        from k in Lengths
        from rank in Gen.Elements(1L, 2, 3, 4, 5, 8, 17)
        from method in Gen.Choose(0, 8)
        from tokens in Tokens
        select (Update(method, n, k, rank), tokens)).ToArbitrary();

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
