using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>VERA: ΔW = diag(λb)·B·diag(λd)·A with frozen A and B that all modules share.</summary>
internal sealed class VeraMethod(AdapterConfig config) : PeftMethod(config)
{
    public const string Type = "VERA";
    public const long DefaultRank = 256;
    private readonly long rank = config.Count("r", DefaultRank);
    private readonly double start = config.Number("d_initial", 0.1);

    public static ImmutableArray<string> Names { get; } = ["vera_lambda_b", "vera_lambda_d"];

    public override ImmutableArray<string> Parameters => Names;

    public override string OwnBiases => "vera_only";

    public override ImmutableArray<ImmutableArray<long>> Shapes(string module, LayerSize? size) => [[size?.OutFeatures ?? AnyLength], [rank]];

    public override WeightUpdate Update(string module, LayerSize size, Projection? projection) =>
        new VeraUpdate(size.OutFeatures, size.InFeatures, rank, projection!.Frozen, start);
}
