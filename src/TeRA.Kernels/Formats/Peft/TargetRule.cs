using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace TeRA.Kernels.Formats;

/// <summary>Which modules an adapter changes, by PEFT's rules: target_modules, exclude_modules, layers_to_transform and layers_pattern.</summary>
internal sealed class TargetRule
{
    private const string AllLinear = "all-linear";
    private readonly AdapterConfig config;
    private readonly ImmutableArray<TargetPattern> excluded;
    private readonly ImmutableArray<Regex> layers;
    private readonly ImmutableHashSet<long>? indexes;

    private TargetRule(AdapterConfig config, ImmutableArray<TargetPattern> targets, bool all)
    {
        this.config = config;
        Targets = targets;
        IsAllLinear = all;
        excluded = config.IsOff("exclude_modules") ? [] : TargetPattern.Read(config, "exclude_modules");
        indexes = ReadIndexes(config);
        layers = ReadLayers(config);
    }

    /// <summary>The patterns; each must match some module.</summary>
    public ImmutableArray<TargetPattern> Targets { get; }

    /// <summary>"all-linear": only the file's own tensors say which modules those were.</summary>
    public bool IsAllLinear { get; }

    /// <summary>Whether modules that a pattern matches may be left out all the same.</summary>
    public bool IsNarrowed => !excluded.IsEmpty || indexes is not null;

    public static TargetRule Read(AdapterConfig config)
    {
        bool all = config.TryGet("target_modules", out JsonElement value) && value.ValueKind == JsonValueKind.String
            && string.Equals(value.GetString(), AllLinear, StringComparison.OrdinalIgnoreCase);
        return new TargetRule(config, all ? [] : TargetPattern.Read(config, "target_modules"), all);
    }

    public bool Matches(string module)
    {
        if (excluded.Any(pattern => pattern.Matches(module, config)))
        {
            return false;
        }

        if (IsAllLinear)
        {
            return true;
        }

        // As PEFT does it: the choice of layers narrows names that end in a target, never an expression or a whole name.
        bool whole = config.Required("target_modules").ValueKind == JsonValueKind.String || Targets.Any(pattern => pattern.Text == module);
        return Targets.Any(pattern => pattern.Matches(module, config)) && (whole || indexes is null || IsChosenLayer(module));
    }

    private bool IsChosenLayer(string module)
    {
        foreach (Regex layer in layers)
        {
            Match match = TargetPattern.Find(layer, module, config);
            if (match.Success)
            {
                return long.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long index) && indexes!.Contains(index);
            }
        }

        return false;
    }

    private static ImmutableHashSet<long>? ReadIndexes(AdapterConfig config)
    {
        if (config.IsOff("layers_to_transform"))
        {
            return null;
        }

        JsonElement value = config.Required("layers_to_transform");
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        return [.. items.Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out long index)
            ? index
            : throw config.Wrong("layers_to_transform", "an integer or a list of integers", value))];
    }

    private static ImmutableArray<Regex> ReadLayers(AdapterConfig config)
    {
        const string Key = "layers_pattern";
        if (config.IsOff(Key))
        {
            // The first number of a name is its layer's: later ones may be an expert's.
            return [new Regex(@"\A.*?\.[^.]*\.(\d+)\.", RegexOptions.CultureInvariant)];
        }

        ImmutableArray<string> patterns = config.Required(Key).ValueKind == JsonValueKind.String ? [config.Text(Key)] : config.TextList(Key);
        return [.. patterns.Select(pattern => TargetPattern.Compile($@"\A.*?\.(?:{pattern})\.(\d+)\.", pattern, config, Key))];
    }
}
