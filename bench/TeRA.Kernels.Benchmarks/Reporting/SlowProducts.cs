using System.Globalization;
using System.Text.RegularExpressions;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>Which products are slower than cuBLASLt's, in groups that a reader can take in.</summary>
internal static partial class SlowProducts
{
    // Below this share of cuBLASLt's speed a product is called slower.
    private const double Allowance = 0.97;
    private const long FewTokens = 512;

    private static readonly string[] Thin = ["P ", "Q ", "dA ", "dB "];

    /// <summary>The groups with a slower product, the worst first: how many of them, and their share of cuBLASLt's speed.</summary>
    public static IEnumerable<string> Groups(IEnumerable<ProductRow> rows) =>
        from row in rows
        group row by Kind(row) into kind
        let slow = kind.Where(row => row.SpeedRatio < Allowance).OrderBy(row => row.SpeedRatio).ToArray()
        where slow.Length > 0
        orderby slow[0].SpeedRatio
        select string.Create(CultureInfo.InvariantCulture, $"{kind.Key} ({slow.Length} of {kind.Count()}, {Range(slow)} of its speed)");

    private static string Kind(ProductRow row)
    {
        long[] sizes = [.. Sizes().Matches(row.Name).Take(1).SelectMany(match => match.Value.Split('×')).Select(long.Parse)];
        return Array.Exists(Thin, start => row.Name.StartsWith(start, StringComparison.Ordinal)) ? "products with a short side of 16 to 256"
            : row.Name.Contains("blocks", StringComparison.Ordinal) ? "products with a block term"
            : row.Name.StartsWith('W') ? "builds of W = W0 + L·R"
            : sizes.Length > 0 && sizes.Min() <= FewTokens && !row.Name.StartsWith('Z') ? "128 to 512 tokens"
            : row.Name.StartsWith('Z') ? "the core's product"
            : "large products";
    }

    private static string Range(ProductRow[] slow)
    {
        string least = Number(slow[0]), most = Number(slow[^1]);
        return least == most ? least : $"{least}–{most}";

        static string Number(ProductRow row) => row.SpeedRatio.ToString("F2", CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\d+×\d+×\d+")]
    private static partial Regex Sizes();
}
