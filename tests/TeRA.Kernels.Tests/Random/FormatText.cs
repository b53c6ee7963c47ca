using System.Globalization;

namespace TeRA.Kernels.Tests.RandomFactors;

/// <summary>The tables of kernels/random/factor-format-1.md and the published known answers, as the tests read them.</summary>
internal static class FormatText
{
    public sealed record ElementRow(RandomSource Source, uint Threshold, uint Stream, long Index, uint Bits, string Line)
    {
        public override string ToString() => Line;
    }

    public sealed record PairRow(uint First, uint Second, uint FirstBits, uint SecondBits, string Line)
    {
        public override string ToString() => Line;
    }

    public sealed record KnownAnswer(uint[] Counter, uint[] Key, uint[] Words);

    public static IEnumerable<ElementRow> Elements() =>
        from cells in TableRows()
        where cells.Length == 7 && cells[2].StartsWith("0x", StringComparison.Ordinal)
        select new ElementRow(
            new RandomSource(ulong.Parse(cells[2][2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture), ParseDistribution(cells[0])),
            uint.Parse(cells[1], CultureInfo.InvariantCulture),
            Hex(cells[3]),
            long.Parse(cells[4], CultureInfo.InvariantCulture),
            Hex(cells[5]),
            string.Join(' ', cells));

    public static IEnumerable<PairRow> Pairs() =>
        from cells in TableRows()
        where cells.Length == 6 && cells[0].StartsWith("0x", StringComparison.Ordinal)
        select new PairRow(Hex(cells[0]), Hex(cells[1]), Hex(cells[2]), Hex(cells[3]), string.Join(' ', cells));

    public static IEnumerable<KnownAnswer> KnownAnswers() =>
        from line in ReadLines("philox4x32-10.kat")
        where line.Length > 0 && line[0] != '#'
        let words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray()
        select new KnownAnswer(words[..4], words[4..6], words[6..10]);

    /// <summary>All distributions that the tests sweep.</summary>
    public static Distribution[] Distributions { get; } =
    [
        Distribution.Normal, Distribution.Uniform, Distribution.Rademacher,
        Distribution.Ternary(1.0 / 6), Distribution.Ternary(0.5), Distribution.Ternary(0.001), Distribution.Ternary(1.0 / 65536),
    ];

    /// <summary>Those of which a thousand elements tell factors apart.</summary>
    public static IEnumerable<Distribution> DenseDistributions => Distributions.Where(distribution => distribution.TernaryProbability is 0 or > 0.1);

    private static Distribution ParseDistribution(string name)
    {
        string[] parts = name.Split('(', '/', ')');
        return parts[0] switch
        {
            "normal" => Distribution.Normal,
            "uniform" => Distribution.Uniform,
            "rademacher" => Distribution.Rademacher,
            "ternary" => Distribution.Ternary(double.Parse(parts[1], CultureInfo.InvariantCulture) / double.Parse(parts[2], CultureInfo.InvariantCulture)),
            _ => throw new InvalidDataException($"no distribution: {name}"),
        };
    }

    private static IEnumerable<string[]> TableRows() =>
        from line in ReadLines("factor-format-1.md")
        where line.StartsWith('|')
        select line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray();

    private static uint Hex(string text) => uint.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static string[] ReadLines(string resource)
    {
        using Stream stream = typeof(FormatText).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"the test assembly has no resource {resource}");
        using StreamReader reader = new(stream);
        return reader.ReadToEnd().Split('\n').Select(line => line.TrimEnd('\r')).ToArray();
    }
}
