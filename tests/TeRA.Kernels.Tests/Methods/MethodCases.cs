using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>Every option of the methods beside TeRA, over tall, wide and square layers.</summary>
internal static class MethodCases
{
    private static readonly (long N, long K, long Tokens)[] Sizes = [(7, 5, 3), (5, 7, 17), (16, 16, 33), (33, 20, 130), (20, 33, 130), (1, 9, 5), (40, 72, 0)];

    /// <summary>In every dtype; 16-bit and float64 take every third, shifted so that both see all of them over the sizes.</summary>
    public static IEnumerable<VerificationCase> All =>
        from dtype in Enum.GetValues<DType>()
        from problem in Updates(dtype).Select((entry, i) => (entry, i))
        where dtype == DType.Float32 || problem.i % 3 == (int)dtype % 3
        select new VerificationCase($"{problem.entry.Name}, {problem.entry.Update.OutFeatures}x{problem.entry.Update.InFeatures}, B {problem.entry.Tokens}", problem.entry.Update, problem.entry.Tokens, dtype, Bias: problem.i % 2 == 0, Exact: false);

    private static IEnumerable<(string Name, WeightUpdate Update, long Tokens)> Updates(DType dtype)
    {
        foreach ((long n, long k, long tokens) in Sizes)
        {
            long shorter = Math.Min(n, k), longer = Math.Max(n, k);
            foreach (RandLoraPairing pairing in Enum.GetValues<RandLoraPairing>())
            {
                yield return ($"{pairing}, normal", new RandLoraUpdate(n, k, 3, pairing, FrozenBases.Generated(1)), tokens);
                yield return ($"{pairing}, uniform, one base", new RandLoraUpdate(n, k, shorter + 2, pairing, FrozenBases.Generated(2, Distribution.Uniform), alpha: 3), tokens);
                yield return ($"{pairing}, sparse", new RandLoraUpdate(n, k, 4, pairing, FrozenBases.Generated(3, RandLoraUpdate.Sparse)), tokens);
                yield return ($"{pairing}, very sparse", new RandLoraUpdate(n, k, 5, pairing, FrozenBases.Generated(4, RandLoraUpdate.VerySparse(n, k))), tokens);
                yield return ($"{pairing}, given", new RandLoraUpdate(n, k, 2, pairing, FrozenBases.Given(dtype, [2, 1, shorter + 3], [longer + 2, ((shorter + 1) / 2) + 1, 2])), tokens);
                yield return ($"{pairing}, given, exact fit", new RandLoraUpdate(n, k, 2, pairing, FrozenBases.Given(dtype, [2, 1, shorter], [longer, (shorter + 1) / 2, 2])), tokens);
            }

            yield return ("vera", new VeraUpdate(n, k, 6), tokens);
            yield return ("vera, normal", new VeraUpdate(n, k, 1, FrozenBases.Generated(5)), tokens);
            yield return ("vera, given", new VeraUpdate(n, k, 3, FrozenBases.Given(dtype.ParameterDType(), [3, k + 1], [n + 4, 3])), tokens);
            yield return ("vera, given in the layer's dtype", new VeraUpdate(n, k, 4, FrozenBases.Given(dtype, [4, k], [n, 4])), tokens);
            yield return ("lotr, trained sides", new LotrUpdate(n, k, 3, LotrSides.Trained, seed: 6), tokens);
            yield return ("lotr, frozen sides", new LotrUpdate(n, k, 4, LotrSides.Frozen, seed: 7, Distribution.Uniform, scale: 2), tokens);
            yield return ("lora", new LowRankUpdate(n, k, 2, alpha: 4), tokens);
            yield return ("lora, rank-stabilised", new LowRankUpdate(n, k, 4, alpha: 6, rankStabilized: true), tokens);
        }
    }
}
