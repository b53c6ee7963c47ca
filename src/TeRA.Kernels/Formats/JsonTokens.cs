using System.Text.Json;
using System.Text.Unicode;

namespace TeRA.Kernels.Formats;

/// <summary>
/// A JSON reader whose every failure is a <see cref="FileFormatException"/>: it checks UTF-8, depth and the number of keys,
/// and turns the framework's errors into rules.
/// </summary>
internal ref struct JsonTokens
{
    private readonly string path;
    private readonly int maximumDepth;
    private readonly int maximumKeys;
    private Utf8JsonReader reader;
    private int keys;

    public JsonTokens(ReadOnlySpan<byte> utf8, string path, int maximumDepth, int maximumKeys)
    {
        this.path = path;
        this.maximumDepth = maximumDepth;
        this.maximumKeys = maximumKeys;
        if (!Utf8.IsValid(utf8))
        {
            throw Error(FileRule.Utf8, "the JSON text must be UTF-8, found bytes that are not; the file is damaged or of another format.");
        }

        // One more than ours, so that our own check, which names the rule, comes first.
        reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maximumDepth + 1 });
    }

    public readonly JsonTokenType Kind => reader.TokenType;

    /// <summary>Moves to the next token; false at the end of the text.</summary>
    public bool Read()
    {
        try
        {
            if (!reader.Read())
            {
                return false;
            }
        }
        catch (JsonException error)
        {
            throw Error(FileRule.JsonSyntax, $"expected JSON, found a mistake near byte {reader.BytesConsumed}: {error.Message}");
        }

        CheckLimits();
        return true;
    }

    /// <summary>Moves to the next token, which the grammar guarantees.</summary>
    public void Step() => _ = Read();

    /// <summary>The string or key at this token.</summary>
    public readonly string Text()
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error(FileRule.JsonString, $"the string near byte {reader.TokenStartIndex} of the JSON text holds half of a surrogate pair; expected whole characters.");
        }
    }

    /// <summary>The number at this token, if it is an integer from 0 to 2⁶³ − 1 written without sign, fraction and exponent.</summary>
    public readonly bool TryCount(out long value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.ValueSpan[0] != '-' && reader.TryGetInt64(out value);
    }

    /// <summary>What is at this token, for messages.</summary>
    public readonly string Describe() => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.EndArray or JsonTokenType.EndObject => "the end",
        JsonTokenType.String => "the string " + Quote.Text(Text()),
        JsonTokenType.Null => "null",
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        _ => Quote.Shorten(System.Text.Encoding.UTF8.GetString(reader.ValueSpan)),
    };

    public readonly FileFormatException Error(string rule, string message) => new(path, rule, message);

    private void CheckLimits()
    {
        if (reader.TokenType == JsonTokenType.PropertyName && ++keys > maximumKeys)
        {
            throw Error(FileRule.JsonKeys, $"expected at most {maximumKeys} keys in the JSON text, found more.");
        }

        if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray && reader.CurrentDepth >= maximumDepth)
        {
            throw Error(FileRule.JsonDepth, $"expected JSON nested at most {maximumDepth} deep, found deeper.");
        }
    }
}
