using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>RandLoRA's frozen bases: A [r, 1, m], B [M, n, r].</summary>
internal sealed class RandLoraBases(AdapterConfig config, DType drawnAs) : PeftProjection(config)
{
    private readonly long rank = config.Count("r", RandLoraMethod.DefaultRank);
    private readonly bool verySparse = config.Flag("very_sparse", otherwise: false);
    private readonly bool sparse = config.Flag("sparse", otherwise: false) || config.Flag("very_sparse", otherwise: false);

    public static ImmutableArray<string> Parameters { get; } = ["randlora_A", "randlora_B"];

    public override ImmutableArray<string> Names => Parameters;

    protected override string Drawing => sparse ? "ternary" : $"as {drawnAs.Label()}: a machine without bfloat16 draws float16 instead, and the file doesn't say";

    protected override (ImmutableArray<long> A, ImmutableArray<long> B) Shapes(LayerSize largest)
    {
        RandLoraProjection sizes = RandLoraProjection.For(rank, largest);
        return ([rank, 1, sizes.Shortest], [sizes.Longest, sizes.Bases, rank]);
    }

    protected override Projection Generate(LayerSize largest)
    {
        RandLoraProjection sizes = RandLoraProjection.For(rank, largest);
        return sparse ? sizes.Sparse(Seed, verySparse) : sizes.Dense(Seed, drawnAs);
    }
}
