using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>The table <c>shapes</c> of a TeRA configuration.</summary>
internal static class TeraShapes
{
    private static readonly string[] Lists = ["row_modes", "row_ranks", "col_modes", "col_ranks"];

    public static ImmutableDictionary<LayerSize, TeraUpdate> Read(AdapterConfig document, RandomSource source, double scale)
    {
        JsonElement table = document.Required("shapes");
        if (table.ValueKind != JsonValueKind.Object)
        {
            throw document.Wrong("shapes", "an object keyed by \"NxK\"", table);
        }

        var shapes = ImmutableDictionary.CreateBuilder<LayerSize, TeraUpdate>();
        foreach (JsonProperty property in table.EnumerateObject())
        {
            if (!LayerSize.TryParse(property.Name, out LayerSize size))
            {
                throw new FileFormatException(document.Path, FileRule.KeyValue, $"shapes must be keyed by \"NxK\" (output x input features, integers from 1), found the key {Quote.Text(property.Name)}.");
            }

            shapes.Add(size, ReadShape(document, size, property.Value, source, scale));
        }

        return shapes.ToImmutable();
    }

    /// <summary>The table as JSON; keys inside an entry that this version doesn't know are taken over from the document that was read.</summary>
    public static string Write(TeraConfig config)
    {
        IEnumerable<string> entries = config.Shapes.Select(pair =>
        {
            TeraUpdate update = pair.Value;
            string[] lists =
            [
                Property(Lists[0], update.RowModes), Property(Lists[1], update.RowRanks),
                Property(Lists[2], update.ColumnModes), Property(Lists[3], update.ColumnRanks),
                .. UnknownKeys(config.Document, pair.Key),
            ];
            return $"\"{pair.Key}\":{{{string.Join(',', lists)}}}";
        });
        return $"{{{string.Join(',', entries)}}}";
    }

    private static string Property(string name, ImmutableArray<long> lengths) =>
        $"\"{name}\":[{string.Join(',', lengths.Select(length => length.ToString(CultureInfo.InvariantCulture)))}]";

    private static IEnumerable<string> UnknownKeys(AdapterConfig document, LayerSize size)
    {
        if (!document.TryGet("shapes", out JsonElement table) || table.ValueKind != JsonValueKind.Object
            || !table.TryGetProperty(size.ToString(), out JsonElement shape) || shape.ValueKind != JsonValueKind.Object)
        {
            return [];
        }

        return shape.EnumerateObject()
            .Where(property => !Lists.Contains(property.Name))
            .Select(property => $"{JsonText.String(property.Name)}:{property.Value.GetRawText()}");
    }

    private static TeraUpdate ReadShape(AdapterConfig document, LayerSize size, JsonElement shape, RandomSource source, double scale)
    {
        ImmutableArray<long> rowModes = ReadList(document, size, shape, Lists[0]);
        ImmutableArray<long> rowRanks = ReadList(document, size, shape, Lists[1]);
        ImmutableArray<long> columnModes = ReadList(document, size, shape, Lists[2]);
        ImmutableArray<long> columnRanks = ReadList(document, size, shape, Lists[3]);
        TeraUpdate update;
        try
        {
            update = new TeraUpdate(rowModes, rowRanks, columnModes, columnRanks, source.Seed, source.Distribution, scale);
        }
        catch (Exception error) when (error is ArgumentException or OverflowException)
        {
            throw new FileFormatException(document.Path, FileRule.KeyValue, $"shapes[\"{size}\"] describes no update: {error.Message}");
        }

        CheckProduct(document, size, Lists[0], rowModes, size.OutFeatures, "output");
        CheckProduct(document, size, Lists[2], columnModes, size.InFeatures, "input");
        return update;
    }

    private static void CheckProduct(AdapterConfig document, LayerSize size, string key, ImmutableArray<long> modes, long features, string side)
    {
        // The update's own constructor bounds the product, so this doesn't overflow.
        long product = modes.Aggregate(1L, (sum, mode) => checked(sum * mode));
        if (product != features)
        {
            throw new FileFormatException(document.Path, FileRule.ModesProduct, $"the product of {key} in shapes[\"{size}\"] must be {features}, the {side} features, found {string.Join("*", modes)} = {product}.");
        }
    }

    private static ImmutableArray<long> ReadList(AdapterConfig document, LayerSize size, JsonElement shape, string key)
    {
        string name = $"shapes[\"{size}\"].{key}";
        if (shape.ValueKind != JsonValueKind.Object)
        {
            throw document.Wrong($"shapes[\"{size}\"]", "an object with row_modes, row_ranks, col_modes and col_ranks", shape);
        }

        if (!shape.TryGetProperty(key, out JsonElement list))
        {
            throw new FileFormatException(document.Path, FileRule.MissingKey, $"the key {name} is missing; it is required.");
        }

        if (list.ValueKind != JsonValueKind.Array)
        {
            throw document.Wrong(name, "a list of integers", list);
        }

        return [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out long length)
            ? length
            : throw document.Wrong(name, "a list of integers", item))];
    }
}
