using System.Collections.Immutable;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>The shapes and methods over which the planner's choices are judged.</summary>
internal static class RegretGrid
{
    private static readonly long[] Tokens = [256, 1024, 2048, 8192];

    private static readonly (long N, long K)[] Sizes = [(1024, 1024), (3072, 3072), (4096, 4096), (5120, 5120), (14336, 4096), (4096, 14336)];

    /// <summary>All points, those of a shape one after another.</summary>
    public static ImmutableArray<LayerCase> All { get; } =
        [.. from size in Sizes from tokens in Tokens from point in Points(new LayerShape(tokens, size.N, size.K, 1)) select point];

    private static IEnumerable<LayerCase> Points(LayerShape shape)
    {
        (long n, long k) = (shape.OutFeatures, shape.InFeatures);
        ImmutableArray<long> rows = ModeFactorization.Propose(n), columns = ModeFactorization.Propose(k);
        foreach (long rank in new long[] { 4, 8, 16 })
        {
            ImmutableArray<long> ranks = [rank, rank, rank];
            yield return new LayerCase($"tera_{rank}x{rank}x{rank}", $"TeRA ranks {rank}³", shape, new TeraUpdate(rows, ranks, columns, ranks));
        }

        yield return new LayerCase("lora_r16", "LoRA r16", shape, new LowRankUpdate(n, k, 16));
        yield return new LayerCase("lora_r64", "LoRA r64", shape, new LowRankUpdate(n, k, 64));
        yield return new LayerCase("vera_r256", "VeRA r256", shape, new VeraUpdate(n, k, 256));
    }
}
