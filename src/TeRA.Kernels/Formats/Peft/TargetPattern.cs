using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace TeRA.Kernels.Formats;

/// <summary>
/// One way of naming modules in a configuration: a name matches itself and everything that ends in <c>.name</c>, an expression
/// must match the whole name.
/// </summary>
internal sealed class TargetPattern
{
    // Expressions come from files: they may not take the process hostage.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly Regex? expression;

    private TargetPattern(string text, Regex? expression)
    {
        Text = text;
        this.expression = expression;
    }

    public string Text { get; }

    public static TargetPattern Name(string name) => new(name, null);

    /// <summary>A regular expression for whole names.</summary>
    /// <exception cref="FileFormatException">It is none.</exception>
    public static TargetPattern Expression(string text, AdapterConfig config, string key) =>
        new(text, Compile($@"\A(?:{text})\z", text, config, key));

    /// <summary>A key of rank_pattern or alpha_pattern: <c>(.*\.)?(key)</c>.</summary>
    public static TargetPattern Suffix(string text, AdapterConfig config, string key) =>
        new(text, Compile($@"\A(.*\.)?({text})\z", text, config, key));

    /// <summary>The value of target_modules or exclude_modules: a list of names, or one expression.</summary>
    public static ImmutableArray<TargetPattern> Read(AdapterConfig config, string key)
    {
        JsonElement value = config.Required(key);
        return value.ValueKind == JsonValueKind.String
            ? [Expression(value.GetString()!, config, key)]
            : [.. config.TextList(key).Select(Name)];
    }

    public static Regex Compile(string full, string text, AdapterConfig config, string key)
    {
        try
        {
            return new Regex(full, RegexOptions.CultureInvariant, Patience);
        }
        catch (ArgumentException error)
        {
            throw new FileFormatException(config.Path, FileRule.KeyValue, $"{Quote.Text(text)} in the key {Quote.Text(key)} must be a regular expression: {error.Message}");
        }
    }

    /// <summary>Whether an expression matches, with a bound on the time that takes.</summary>
    public static Match Find(Regex expression, string name, AdapterConfig config)
    {
        try
        {
            return expression.Match(name);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new FileFormatException(config.Path, FileRule.KeyValue, $"the regular expression {Quote.Text(expression.ToString())} takes longer than {Patience.TotalSeconds} s for {Quote.Text(name)}; write it more simply.");
        }
    }

    public bool Matches(string module, AdapterConfig config) => expression is null
        ? module == Text || module.EndsWith("." + Text, StringComparison.Ordinal)
        : Find(expression, module, config).Success;
}
