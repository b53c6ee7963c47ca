using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Correctness;

/// <summary>TeRA's shapes, the edges weighted: 0, 1, a tile less or more by one, primes, ranks above their modes.</summary>
internal sealed class LayerProperties : UpdateProperties
{
    private static readonly Gen<long> Lengths = Gen.Elements(1L, 1, 2, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127);

    private static readonly Gen<long> Tokens = Gen.Elements(0L, 1, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65, 127, 129, 257, 1025, 3001);

    private static readonly Gen<Distribution> Distributions =
        Gen.Elements(Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(0.375));

    private protected override Arbitrary<(WeightUpdate Update, long Tokens)> Problems => (
        from tokens in Tokens
        from rows in Side
        from columns in Side
        from distribution in Distributions
        select ((WeightUpdate)new LayerShape(tokens, rows.Modes, rows.Ranks, columns.Modes, columns.Ranks).Tera(distribution), tokens)).ToArbitrary();

    private static Gen<(ImmutableArray<long> Modes, ImmutableArray<long> Ranks)> Side =>
        from order in Gen.Choose(1, 4)
        from modes in Gen.ArrayOf(Lengths, order)
        from ranks in Gen.ArrayOf(Gen.Elements(1L, 1, 2, 3, 4, 5, 8, 17), order)
        select (Bounded(modes, 130), Bounded(ranks, 40));

    [Test]
    public void The_scale_multiplies_the_update() => ForAll((data, path) =>
    {
        var tera = (TeraUpdate)data.Update!;
        var scaled = new TeraUpdate(tera.RowModes, tera.RowRanks, tera.ColumnModes, tera.ColumnRanks, tera.Source.Seed, tera.Source.Distribution, -4 * tera.Scale);
        Close("delta", Run(data with { Update = scaled }, path).Delta, Array.ConvertAll(Run(data, path).Delta, value => -4 * value));
    });

    private static ImmutableArray<long> Bounded(long[] lengths, long limit)
    {
        long product = 1;
        return [.. lengths.Select(length =>
        {
            long kept = product * length <= limit ? length : 1;
            product *= kept;
            return kept;
        })];
    }
}
