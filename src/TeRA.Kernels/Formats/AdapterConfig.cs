using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// An <c>adapter_config.json</c> as a document: every key is kept, known or not, with its numbers spelled as they were read.
/// Written as PEFT writes it: indented by 2, keys sorted, no line end after the last brace. Immutable.
/// </summary>
public sealed class AdapterConfig
{
    private readonly ImmutableSortedDictionary<string, JsonElement> values;

    private AdapterConfig(string path, ImmutableSortedDictionary<string, JsonElement> values)
    {
        Path = path;
        this.values = values;
    }

    /// <summary>A document without keys.</summary>
    public static AdapterConfig Empty { get; } = new("adapter_config.json", ImmutableSortedDictionary.Create<string, JsonElement>(CodePointOrder.Instance));

    /// <summary>The file that the document was read from, for errors.</summary>
    public string Path { get; }

    /// <summary>The keys at the top, sorted.</summary>
    public IEnumerable<string> Keys => values.Keys;

    /// <summary>The adapter's method as PEFT names it: <c>TERA</c>, <c>LORA</c> …</summary>
    /// <exception cref="FileFormatException">The key is missing or no string.</exception>
    public string PeftType => Text("peft_type");

    /// <summary>Reads and checks a file: UTF-8, JSON, an object, no key twice at any depth.</summary>
    /// <exception cref="FileFormatException">The file breaks one of these rules.</exception>
    /// <exception cref="IOException">The file is missing or can't be read.</exception>
    public static AdapterConfig Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        if (stream.Length > FormatLimits.ConfigBytes)
        {
            throw new FileFormatException(path, FileRule.ConfigTooLarge, $"expected at most {FormatLimits.ConfigBytes} bytes, found {stream.Length}.");
        }

        byte[] bytes = new byte[stream.Length];
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return Parse(bytes.AsSpan(0, read), path);
    }

    /// <summary>Reads and checks a text.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="path">What to call it in errors.</param>
    /// <exception cref="FileFormatException">The text breaks a rule.</exception>
    public static AdapterConfig Parse(ReadOnlySpan<byte> utf8, string path)
    {
        AdapterConfigChecker.Check(utf8, path);
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = FormatLimits.ConfigDepth });
        JsonElement root = JsonElement.ParseValue(ref reader);
        return new AdapterConfig(path, root.EnumerateObject().ToImmutableSortedDictionary(property => property.Name, property => property.Value, CodePointOrder.Instance));
    }

    /// <summary>A key's value as JSON.</summary>
    public bool TryGet(string key, out JsonElement value) => values.TryGetValue(key, out value);

    /// <summary>The same document with one key set to a JSON text.</summary>
    /// <exception cref="FileFormatException">The text is not JSON, or an object in it has a key twice.</exception>
    public AdapterConfig WithJson(string key, string json)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes($"{{{JsonText.String(key)}: {json}}}");
        AdapterConfig parsed = Parse(utf8, Path);
        return parsed.values.Count == 1
            ? new AdapterConfig(Path, values.SetItem(key, parsed.values[key]))
            : throw new FileFormatException(Path, FileRule.JsonSyntax, $"expected one JSON value for {Quote.Text(key)}, found more.");
    }

    /// <summary>The same document with one key set to a string, or to null.</summary>
    public AdapterConfig With(string key, string? value) => WithJson(key, value is null ? "null" : JsonText.String(value));

    /// <summary>The same document with one key set to an integer.</summary>
    public AdapterConfig With(string key, ulong value) => WithJson(key, value.ToString(CultureInfo.InvariantCulture));

    /// <summary>The same document with one key set to a number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not finite; JSON has no such number.</exception>
    public AdapterConfig With(string key, double value) => double.IsFinite(value)
        ? WithJson(key, JsonText.Number(value))
        : throw new ArgumentOutOfRangeException(nameof(value), value, "JSON has only finite numbers");

    /// <summary>The same document with one key set to a list of strings.</summary>
    public AdapterConfig With(string key, IEnumerable<string> items) => WithJson(key, $"[{string.Join(',', items.Select(JsonText.String))}]");

    /// <summary>The same document without a key.</summary>
    public AdapterConfig Without(string key) => new(Path, values.Remove(key));

    /// <summary>The text of the file.</summary>
    public byte[] ToUtf8()
    {
        var json = new StringBuilder();
        JsonText.AppendItems(json, '{', '}', 0, values, pair => JsonText.AppendProperty(json, pair.Key, pair.Value, 2));
        return Encoding.UTF8.GetBytes(json.ToString());
    }

    /// <summary>The value of a key that must be there.</summary>
    internal JsonElement Required(string key) => values.TryGetValue(key, out JsonElement value)
        ? value
        : throw new FileFormatException(Path, FileRule.MissingKey, $"the key {Quote.Text(key)} is missing; it is required.");

    internal string Text(string key)
    {
        JsonElement value = Required(key);
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(key, "a string", value);
    }

    internal string? OptionalText(string key)
    {
        if (!values.TryGetValue(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, "a string or null", value);
    }

    internal ulong UnsignedInteger(string key)
    {
        JsonElement value = Required(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number)
            ? number
            : throw Wrong(key, "an integer from 0 to 2^64-1", value);
    }

    internal double Number(string key)
    {
        JsonElement value = Required(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && float.IsFinite((float)number)
            ? number
            : throw Wrong(key, "a number that is finite in float32", value);
    }

    /// <summary>A key that is absent, null, false, or an empty string, list or object.</summary>
    internal bool IsOff(string key) => !values.TryGetValue(key, out JsonElement value) || value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => value.GetString()!.Length == 0,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    internal bool Flag(string key, bool otherwise)
    {
        if (!values.TryGetValue(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            return otherwise;
        }

        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, "true or false", value);
    }

    internal double Number(string key, double otherwise) => values.ContainsKey(key) ? Number(key) : otherwise;

    /// <summary>An integer from 1 that a tensor's length can be.</summary>
    internal long Count(string key, long otherwise)
    {
        if (!values.TryGetValue(key, out JsonElement value))
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number is >= 1 and <= int.MaxValue
            ? number
            : throw Wrong(key, "an integer from 1 to 2^31-1", value);
    }

    internal ImmutableArray<string> TextList(string key)
    {
        JsonElement value = Required(key);
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(key, "a list of strings", value);
        }

        return [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(key, "a list of strings", item))];
    }

    internal FileFormatException Wrong(string key, string expected, JsonElement found) =>
        new(Path, FileRule.KeyValue, $"the key {Quote.Text(key)} must be {expected}, found {Quote.Shorten(found.GetRawText())}.");
}
