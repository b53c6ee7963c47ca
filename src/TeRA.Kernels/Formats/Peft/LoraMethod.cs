using System.Collections.Immutable;
using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>LORA: ΔW = s·B·A, with a rank and an alpha that patterns may change for some modules.</summary>
internal sealed class LoraMethod : PeftMethod
{
    public const string Type = "LORA";
    private const string RankPattern = "rank_pattern";
    private const string AlphaPattern = "alpha_pattern";
    private const long DefaultRank = 8;
    private const double DefaultAlpha = 8;
    private readonly long rank;
    private readonly double alpha;
    private readonly bool rankStabilized;
    private readonly ImmutableArray<(TargetPattern Pattern, JsonElement Value)> ranks;
    private readonly ImmutableArray<(TargetPattern Pattern, JsonElement Value)> alphas;

    public LoraMethod(AdapterConfig config)
        : base(config)
    {
        rank = config.Count("r", DefaultRank);
        alpha = config.Number("lora_alpha", DefaultAlpha);
        rankStabilized = config.Flag("use_rslora", otherwise: false);
        ranks = Patterns(RankPattern, value => value.TryGetInt64(out long length) && length is >= 1 and <= int.MaxValue, "integers from 1");
        alphas = Patterns(AlphaPattern, value => value.TryGetDouble(out double number) && float.IsFinite((float)number), "numbers that are finite in float32");
    }

    public static ImmutableArray<string> Names { get; } = ["lora_A.weight", "lora_B.weight"];

    public override ImmutableArray<string> Parameters => Names;

    public override string OwnBiases => "lora_only";

    public override ImmutableArray<ImmutableArray<long>> Shapes(string module, LayerSize? size) =>
    [
        [Rank(module), size?.InFeatures ?? AnyLength],
        [size?.OutFeatures ?? AnyLength, Rank(module)],
    ];

    public override WeightUpdate Update(string module, LayerSize size, Projection? projection) =>
        new LowRankUpdate(size.OutFeatures, size.InFeatures, Rank(module), Alpha(module), rankStabilized);

    private long Rank(string module) => Find(ranks, module) is { } value ? value.GetInt64() : rank;

    private double Alpha(string module) => Find(alphas, module) is { } value ? value.GetDouble() : alpha;

    private JsonElement? Find(ImmutableArray<(TargetPattern Pattern, JsonElement Value)> patterns, string module)
    {
        foreach ((TargetPattern pattern, JsonElement value) in patterns)
        {
            if (pattern.Matches(module, Config))
            {
                return value;
            }
        }

        return null;
    }

    private ImmutableArray<(TargetPattern Pattern, JsonElement Value)> Patterns(string key, Func<JsonElement, bool> isValue, string what)
    {
        if (Config.IsOff(key))
        {
            return [];
        }

        JsonElement table = Config.Required(key);
        return table.ValueKind == JsonValueKind.Object
            ? [.. table.EnumerateObject().Select(property => property.Value.ValueKind == JsonValueKind.Number && isValue(property.Value)
                ? (TargetPattern.Suffix(property.Name, Config, key), property.Value)
                : throw Config.Wrong(key, "an object of " + what, property.Value))]
            : throw Config.Wrong(key, "an object of " + what, table);
    }
}
