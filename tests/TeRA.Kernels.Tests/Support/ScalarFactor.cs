namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// Factor format 1 once more, one element at a time and straight from the format's text, for the distributions whose elements
/// are exact by definition: uniform, Rademacher and ternary. Independent of <see cref="RandomFactor"/>.
/// </summary>
internal static class ScalarFactor
{
    private const uint FormatMark = 0x54655241;

    /// <summary>Philox4x32-10.</summary>
    public static uint[] Philox(uint[] counter, uint[] key)
    {
        uint[] c = [.. counter];
        (uint k0, uint k1) = (key[0], key[1]);
        for (int round = 0; round < 10; round++)
        {
            ulong left = 0xD2511F53UL * c[0], right = 0xCD9E8D57UL * c[2];
            c = [(uint)(right >> 32) ^ c[1] ^ k0, (uint)right, (uint)(left >> 32) ^ c[3] ^ k1, (uint)left];
            unchecked
            {
                k0 += 0x9E3779B9;
                k1 += 0xBB67AE85;
            }
        }

        return c;
    }

    /// <summary>One element of a factor.</summary>
    public static float Element(RandomSource source, uint stream, long index) => source.Distribution.Kind switch
    {
        DistributionKind.Uniform => Uniform(Block(source.Seed, stream, index / 4)[index % 4]),
        DistributionKind.Rademacher => ((Block(source.Seed, stream, index / 128)[index % 128 / 32] >> (int)(index % 32)) & 1) == 1 ? 1f : -1f,
        DistributionKind.Ternary => Ternary(source.Distribution.TernaryProbability, Half(Block(source.Seed, stream, index / 8), (int)(index % 8))),
        _ => throw new NotSupportedException("Normal elements are not defined by one line of arithmetic; see the format's own text."),
    };

    private static uint[] Block(ulong seed, uint stream, long block) =>
        Philox([(uint)block, (uint)(block >> 32), stream, FormatMark ^ 1], [(uint)seed, (uint)(seed >> 32)]);

    private static float Uniform(uint word) => (float)((((word >> 9) + 0.5) / 4194304) - 1) * (float)Math.Sqrt(3);

    private static uint Half(uint[] block, int half) => half % 2 == 0 ? block[half / 2] & 0xFFFF : block[half / 2] >> 16;

    private static float Ternary(double probability, uint draw)
    {
        uint threshold = (uint)Math.Round(65536 * probability);
        float magnitude = (float)(1 / Math.Sqrt(2.0 * threshold / 65536));
        return draw < threshold ? magnitude : draw < 2 * threshold ? -magnitude : 0;
    }
}
