using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>VeRA's frozen bases: A [r, K], B [N, r].</summary>
internal sealed class VeraBases(AdapterConfig config) : PeftProjection(config)
{
    private readonly long rank = config.Count("r", VeraMethod.DefaultRank);

    public static ImmutableArray<string> Parameters { get; } = ["vera_A", "vera_B"];

    public override ImmutableArray<string> Names => Parameters;

    protected override string Drawing => "float32 as PyTorch's CPU generator draws it";

    protected override (ImmutableArray<long> A, ImmutableArray<long> B) Shapes(LayerSize largest) => ([rank, largest.InFeatures], [largest.OutFeatures, rank]);

    protected override Projection Generate(LayerSize largest) => VeraProjection.Generate(Seed, rank, largest);
}
