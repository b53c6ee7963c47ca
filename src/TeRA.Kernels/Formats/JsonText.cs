using System.Globalization;
using System.Text;
using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>Writes JSON to the letter as the tools around do: Python's <c>json</c> for configurations, serde for safetensors headers.</summary>
internal static class JsonText
{
    /// <summary>Appends a quoted string.</summary>
    /// <param name="json">Receives it.</param>
    /// <param name="text">The text.</param>
    /// <param name="asciiOnly">Whether to escape all but printable ASCII (Python's default) or only what JSON demands (serde).</param>
    public static void AppendString(StringBuilder json, string text, bool asciiOnly)
    {
        json.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when asciiOnly => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => json.Append(c),
            };
        }

        json.Append('"');
    }

    /// <summary>A quoted string.</summary>
    public static string String(string text)
    {
        var json = new StringBuilder();
        AppendString(json, text, asciiOnly: true);
        return json.ToString();
    }

    /// <summary>A number that reads back as the same double, with a point or an exponent so that Python reads a float.</summary>
    public static string Number(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
        return text.AsSpan().IndexOfAny('.', 'e') < 0 ? text + ".0" : text;
    }

    /// <summary>Appends a value as <c>json.dumps(value, indent=2, sort_keys=True)</c> does; numbers keep the spelling they were read with.</summary>
    public static void AppendIndented(StringBuilder json, JsonElement value, int indent)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                IEnumerable<JsonProperty> sorted = value.EnumerateObject().OrderBy(property => property.Name, CodePointOrder.Instance);
                AppendItems(json, '{', '}', indent, sorted, property => AppendProperty(json, property.Name, property.Value, indent + 2));
                break;
            case JsonValueKind.Array:
                AppendItems(json, '[', ']', indent, value.EnumerateArray(), item => AppendIndented(json, item, indent + 2));
                break;
            case JsonValueKind.String:
                AppendString(json, value.GetString()!, asciiOnly: true);
                break;
            default:
                json.Append(value.GetRawText());
                break;
        }
    }

    public static void AppendProperty(StringBuilder json, string name, JsonElement value, int indent)
    {
        AppendString(json, name, asciiOnly: true);
        json.Append(": ");
        AppendIndented(json, value, indent);
    }

    public static void AppendItems<T>(StringBuilder json, char open, char close, int indent, IEnumerable<T> items, Action<T> append)
    {
        json.Append(open);
        bool any = false;
        foreach (T item in items)
        {
            json.Append(any ? ",\n" : "\n").Append(' ', indent + 2);
            append(item);
            any = true;
        }

        if (any)
        {
            json.Append('\n').Append(' ', indent);
        }

        json.Append(close);
    }
}
