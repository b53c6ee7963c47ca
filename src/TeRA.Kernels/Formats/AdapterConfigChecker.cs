using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>One pass over a configuration, before anything of it is kept: an object, no key twice at any depth, every string whole.</summary>
internal static class AdapterConfigChecker
{
    public static void Check(ReadOnlySpan<byte> utf8, string path)
    {
        var tokens = new JsonTokens(utf8, path, FormatLimits.ConfigDepth, FormatLimits.ConfigKeys);
        tokens.Step();
        if (tokens.Kind != JsonTokenType.StartObject)
        {
            throw tokens.Error(FileRule.KeyValue, $"the configuration must be an object, found {tokens.Describe()}.");
        }

        CheckObject(ref tokens, "the configuration");
        tokens.Step();
    }

    private static void CheckObject(ref JsonTokens tokens, string place)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (tokens.Step(); tokens.Kind == JsonTokenType.PropertyName; tokens.Step())
        {
            string key = tokens.Text();
            if (!keys.Add(key))
            {
                throw tokens.Error(FileRule.DuplicateKey, $"the key {Quote.Text(key)} stands twice in {place}; readers would disagree which one counts. Keep one of them.");
            }

            tokens.Step();
            CheckValue(ref tokens, key);
        }
    }

    private static void CheckValue(ref JsonTokens tokens, string key)
    {
        switch (tokens.Kind)
        {
            case JsonTokenType.StartObject:
                CheckObject(ref tokens, Quote.Text(key));
                break;
            case JsonTokenType.StartArray:
                for (tokens.Step(); tokens.Kind != JsonTokenType.EndArray; tokens.Step())
                {
                    CheckValue(ref tokens, key);
                }

                break;
            case JsonTokenType.String:
                _ = tokens.Text();
                break;
        }
    }
}
