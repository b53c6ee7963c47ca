using System.Text;

namespace TeRA.Kernels.Formats;

/// <summary>Names from files inside messages: quoted, without control characters, of bounded length.</summary>
internal static class Quote
{
    private const int MaximumLength = 200;

    public static string Text(string text) => $"\"{Shorten(text)}\"";

    public static string Shorten(string text)
    {
        var shown = new StringBuilder();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, MaximumLength)))
        {
            _ = char.IsControl(c) || char.IsSurrogate(c) ? shown.Append($"\\u{(int)c:x4}") : shown.Append(c);
        }

        return text.Length > MaximumLength ? shown.Append('…').ToString() : shown.ToString();
    }

    public static string Shape(ReadOnlySpan<long> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
