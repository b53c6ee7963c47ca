using System.Collections.Immutable;
using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>The configuration of a LOTR adapter: rank, scale, the groups of modules that share L and R, and the seed if those are frozen.</summary>
internal sealed class LotrConfig
{
    public const string Type = "LOTR";
    private const string GroupsKey = "groups";

    public LotrConfig(AdapterConfig document)
    {
        _ = document.Required("r");
        Rank = document.Count("r", otherwise: 0);
        Scale = document.Number("scale", 1);
        Groups = ReadGroups(document);
        Sides = !document.TryGet("seed", out JsonElement seed) || seed.ValueKind == JsonValueKind.Null ? LotrSides.Trained : LotrSides.Frozen;
        if (Sides == LotrSides.Frozen)
        {
            TeraConfig.CheckFactorFormat(document);
            Source = new RandomSource(document.UnsignedInteger("seed"), TeraConfig.ReadDistribution(document));
        }
    }

    public long Rank { get; }

    public double Scale { get; }

    public ImmutableArray<ImmutableArray<string>> Groups { get; }

    public LotrSides Sides { get; }

    /// <summary>Of frozen sides.</summary>
    public RandomSource Source { get; }

    /// <summary>The update of a module of a group.</summary>
    public LotrUpdate Update(int group, LayerSize size) => Sides == LotrSides.Trained
        ? new LotrUpdate(size.OutFeatures, size.InFeatures, Rank, LotrSides.Trained, scale: Scale)
        : new LotrUpdate(size.OutFeatures, size.InFeatures, Rank, LotrSides.Frozen, unchecked(Source.Seed + (ulong)group), Source.Distribution, Scale);

    private static ImmutableArray<ImmutableArray<string>> ReadGroups(AdapterConfig document)
    {
        JsonElement value = document.Required(GroupsKey);
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw document.Wrong(GroupsKey, "a list of lists of modules", value);
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. value.EnumerateArray().Select(group => ReadGroup(document, group, seen))];
    }

    private static ImmutableArray<string> ReadGroup(AdapterConfig document, JsonElement group, HashSet<string> seen)
    {
        if (group.ValueKind != JsonValueKind.Array || group.GetArrayLength() == 0)
        {
            throw document.Wrong(GroupsKey, "a list of lists of modules, none of them empty", group);
        }

        return [.. group.EnumerateArray().Select(item =>
        {
            string module = item.ValueKind == JsonValueKind.String ? item.GetString()! : throw document.Wrong(GroupsKey, "a list of lists of modules", item);
            return seen.Add(module)
                ? module
                : throw new FileFormatException(document.Path, FileRule.DuplicateModule, $"each module belongs to one group, found {Quote.Text(module)} twice.");
        })];
    }
}
