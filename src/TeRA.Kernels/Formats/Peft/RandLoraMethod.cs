using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>RANDLORA: full rank from ⌈min(N, K)/r⌉ scaled copies of frozen bases that all modules share.</summary>
internal sealed class RandLoraMethod : PeftMethod
{
    public const string Type = "RANDLORA";
    public const long DefaultRank = 32;

    /// <summary>The key of a file's metadata that says which pairing its numbers were trained with, if not PEFT's.</summary>
    public const string PairingKey = "tera.randlora_pairing";

    public const string PaperPairing = "paper";
    private const double DefaultAlpha = 640;
    private readonly long rank;
    private readonly double alpha;
    private readonly RandLoraPairing pairing;

    public RandLoraMethod(AdapterConfig config, SafetensorsFile file)
        : base(config)
    {
        rank = config.Count("r", DefaultRank);
        alpha = config.Number("randlora_alpha", DefaultAlpha);
        pairing = ReadPairing(file);
    }

    public static ImmutableArray<string> Names { get; } = ["randlora_lambda", "randlora_gamma"];

    public override ImmutableArray<string> Parameters => Names;

    public override string OwnBiases => "randlora_only";

    public override ImmutableArray<ImmutableArray<long>> Shapes(string module, LayerSize? size)
    {
        long shorter = size is { } known ? Math.Min(known.OutFeatures, known.InFeatures) : AnyLength;
        long bases = shorter == AnyLength ? AnyLength : ((shorter - 1) / rank) + 1;
        return [[rank, bases], [bases, shorter]];
    }

    public override WeightUpdate Update(string module, LayerSize size, Projection? projection) =>
        new RandLoraUpdate(size.OutFeatures, size.InFeatures, rank, pairing, projection!.Frozen, alpha);

    private static RandLoraPairing ReadPairing(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(PairingKey, out string? text))
        {
            return RandLoraPairing.Peft;
        }

        return text == PaperPairing
            ? RandLoraPairing.Paper
            : throw new FileFormatException(file.Path, FileRule.Metadata, $"the metadata key {Quote.Text(PairingKey)} must be \"{PaperPairing}\" or absent (PEFT's), found {Quote.Text(text)}.");
    }
}
