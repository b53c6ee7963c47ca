using System.Collections.Immutable;
using System.Globalization;

namespace TeRA.Kernels.Cli.Commands;

/// <summary>The small languages of option values.</summary>
internal static class OptionText
{
    /// <summary><c>16x16x16</c> (also with commas or ·) → 16, 16, 16.</summary>
    public static ImmutableArray<long> Lengths(string text, string option)
    {
        var lengths = ImmutableArray.CreateBuilder<long>();
        foreach (string part in text.Split('x', ',', '·', '*'))
        {
            if (!long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out long length) || length < 1)
            {
                throw new UsageException($"{option}: expected lengths such as 16x16x16, found '{text}'.");
            }

            lengths.Add(length);
        }

        return lengths.ToImmutable();
    }

    /// <summary><c>256=16x16</c> → 256, {16, 16}.</summary>
    public static IReadOnlyDictionary<long, ImmutableArray<long>> SizedLengths(IEnumerable<string> values, string option)
    {
        var table = new Dictionary<long, ImmutableArray<long>>();
        foreach (string value in values)
        {
            string[] sides = value.Split('=');
            if (sides.Length != 2 || !long.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out long size))
            {
                throw new UsageException($"{option}: expected SIZE=LENGTHS such as 256=16x16, found '{value}'.");
            }

            if (!table.TryAdd(size, Lengths(sides[1], option)))
            {
                throw new UsageException($"{option}: size {size} is given twice.");
            }
        }

        return table;
    }

    /// <summary>normal, uniform, rademacher, ternary (p = 1/6) or ternary:P.</summary>
    public static Distribution Distribution(string text)
    {
        string[] parts = text.ToLowerInvariant().Split(':');
        try
        {
            return (parts[0], parts.Length) switch
            {
                ("normal", 1) => Kernels.Distribution.Normal,
                ("uniform", 1) => Kernels.Distribution.Uniform,
                ("rademacher", 1) => Kernels.Distribution.Rademacher,
                ("ternary", 1) => Kernels.Distribution.Ternary(1.0 / 6),
                ("ternary", 2) => Kernels.Distribution.Ternary(double.Parse(parts[1], CultureInfo.InvariantCulture)),
                _ => throw new FormatException(),
            };
        }
        catch (Exception error) when (error is FormatException or ArgumentOutOfRangeException)
        {
            throw new UsageException($"--distribution: expected normal, uniform, rademacher, ternary or ternary:P with P at most 0.5, found '{text}'.");
        }
    }

    /// <summary>float32, bfloat16, float16 and their short forms.</summary>
    public static DType DType(string text) =>
        TryDType(text) ?? throw new UsageException($"--dtype: expected float32, bfloat16, float16 or float64, found '{text}'.");

    /// <summary>The same; null for anything else.</summary>
    public static DType? TryDType(string text) => text.ToLowerInvariant() switch
    {
        "float32" or "f32" or "fp32" => Kernels.DType.Float32,
        "bfloat16" or "bf16" => Kernels.DType.BFloat16,
        "float16" or "f16" or "fp16" => Kernels.DType.Float16,
        "float64" or "f64" or "fp64" => Kernels.DType.Float64,
        _ => null,
    };

    /// <summary>paper or peft.</summary>
    public static RandLoraPairing Pairing(string text) => text.ToLowerInvariant() switch
    {
        "paper" => RandLoraPairing.Paper,
        "peft" => RandLoraPairing.Peft,
        _ => throw new UsageException($"--pairing: expected paper or peft, found '{text}'."),
    };

    /// <summary>auto, merged or factored.</summary>
    public static ExecutionPath Path(string text, string option = "--path") => text.ToLowerInvariant() switch
    {
        "auto" => ExecutionPath.Auto,
        "merged" => ExecutionPath.Merged,
        "factored" => ExecutionPath.Factored,
        _ => throw new UsageException($"{option}: expected auto, merged or factored, found '{text}'."),
    };

    /// <summary>keep-narrow, keep or recompute.</summary>
    public static ContractionPolicy Contractions(string text) => text.ToLowerInvariant() switch
    {
        "keep-narrow" => ContractionPolicy.KeepNarrow,
        "keep" => ContractionPolicy.Keep,
        "recompute" => ContractionPolicy.Recompute,
        _ => throw new UsageException($"--contractions: expected keep-narrow, keep or recompute, found '{text}'."),
    };
}
