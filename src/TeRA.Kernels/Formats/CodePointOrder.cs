namespace TeRA.Kernels.Formats;

/// <summary>
/// Order of strings by code point, as Rust and Python sort. It differs from ordinal UTF-16 order where a surrogate pair meets
/// a character from U+E000 on, and files must come out the same from every writer.
/// </summary>
internal sealed class CodePointOrder : IComparer<string>
{
    public static CodePointOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        ReadOnlySpan<char> left = x;
        ReadOnlySpan<char> right = y;
        int common = left.CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length - right.Length;
        }

        return Rank(left[common]) - Rank(right[common]);
    }

    private static int Rank(char c) => char.IsSurrogate(c) ? 0x10000 + c : c;
}
