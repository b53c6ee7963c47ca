using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// TeRA (arXiv 2509.03234): ΔW[j₁…j_p, i₁…i_q] = Σ_{r,s} G[r₁…r_p, s₁…s_q] · Πₙ Aₙ[jₙ,rₙ]·dₙ[rₙ] · Πₘ Cₘ[iₘ,sₘ]·eₘ[sₘ].
/// G, Aₙ (Jₙ×Rₙ) and Cₘ (Iₘ×Sₘ) are frozen-random: streams 0, 1…p and p+1…p+q of factor format 1. Only dₙ and eₘ are trained.
/// α = scale/√(R·S·K) with R = ΠRₙ, S = ΠSₘ, K = ΠIₘ. Training starts with d₁ = 0 and all other vectors one, so ΔW = 0.
/// </summary>
public sealed record TeraUpdate : WeightUpdate
{
    private const int MaximumModes = 16;

    /// <summary>Describes an update.</summary>
    /// <param name="rowModes">J₁…J_p: their product is N, the output features.</param>
    /// <param name="rowRanks">R₁…R_p, each at least 1, below or above Jₙ.</param>
    /// <param name="columnModes">I₁…I_q: their product is K, the input features.</param>
    /// <param name="columnRanks">S₁…S_q.</param>
    /// <param name="seed">The seed of all factors.</param>
    /// <param name="distribution">Of all factors; normal by default.</param>
    /// <param name="scale">The user's factor of ΔW, 1 by default.</param>
    /// <exception cref="ArgumentException">A list is empty or longer than 16, the lengths differ, a number is below 1, a product overflows, or the scale is not finite.</exception>
    public TeraUpdate(
        ImmutableArray<long> rowModes,
        ImmutableArray<long> rowRanks,
        ImmutableArray<long> columnModes,
        ImmutableArray<long> columnRanks,
        ulong seed = 0,
        Distribution distribution = default,
        double scale = 1)
    {
        Check(rowModes, nameof(rowModes), rowRanks, nameof(rowRanks));
        Check(columnModes, nameof(columnModes), columnRanks, nameof(columnRanks));
        CheckFinite(scale, nameof(scale));
        RowModes = rowModes;
        RowRanks = rowRanks;
        ColumnModes = columnModes;
        ColumnRanks = columnRanks;
        Source = new RandomSource(seed, distribution);
        Scale = scale;
        int p = rowModes.Length;
        var left = new KroneckerOperator([.. rowModes.Select((j, n) => new KroneckerFactor(j, rowRanks[n], (uint)(1 + n), n))], Source, false);
        var right = new KroneckerOperator([.. columnModes.Select((i, m) => new KroneckerFactor(i, columnRanks[m], (uint)(1 + p + m), p + m))], Source, true);
        _ = checked(left.Rank * right.Rank);
        _ = checked(left.Features * right.Features);
        Left = left;
        Right = right;
        Core = new RandomOperator(left.Rank, right.Rank, Source, 0);
        Alpha = (float)(scale / Math.Sqrt((double)left.Rank * right.Rank * right.Features));
        Trained =
        [
            .. rowRanks.Select((rank, n) => new TrainedTensor($"tera_row.{n}", [rank], new TrainedStart(n == 0 ? 0 : 1))),
            .. columnRanks.Select((rank, m) => new TrainedTensor($"tera_col.{m}", [rank], new TrainedStart(1))),
        ];
    }

    /// <summary>An update with proposed modes whose rank is about <paramref name="rankFraction"/> of each side: R ≥ fraction·N, S ≥ fraction·K.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rankFraction">Above 0 and at most 1; 1/8 by default.</param>
    /// <param name="seed">The seed of all factors.</param>
    /// <param name="distribution">Of all factors; normal by default.</param>
    /// <param name="scale">The user's factor of ΔW.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, or the fraction is outside (0, 1].</exception>
    public static TeraUpdate Propose(
        long outFeatures, long inFeatures, double rankFraction = 0.125, ulong seed = 0, Distribution distribution = default, double scale = 1)
    {
        if (!(rankFraction > 0 && rankFraction <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(rankFraction), rankFraction, "expected a fraction above 0 and at most 1");
        }

        return Propose(outFeatures, Portion(outFeatures), inFeatures, Portion(inFeatures), seed, distribution, scale);

        long Portion(long features) => Math.Max(1, (long)Math.Ceiling(rankFraction * features));
    }

    /// <summary>An update with proposed modes whose ranks R and S are each at least <paramref name="rank"/>, or the side's length where that is smaller.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">The rank wanted at least, 1 or more.</param>
    /// <param name="seed">The seed of all factors.</param>
    /// <param name="distribution">Of all factors; normal by default.</param>
    /// <param name="scale">The user's factor of ΔW.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or the rank is below 1.</exception>
    public static TeraUpdate ProposeRank(
        long outFeatures, long inFeatures, long rank, ulong seed = 0, Distribution distribution = default, double scale = 1) =>
        Propose(outFeatures, rank, inFeatures, rank, seed, distribution, scale);

    /// <inheritdoc/>
    public override string Method => "tera";

    /// <summary>J₁…J_p.</summary>
    public ImmutableArray<long> RowModes { get; }

    /// <summary>R₁…R_p.</summary>
    public ImmutableArray<long> RowRanks { get; }

    /// <summary>I₁…I_q.</summary>
    public ImmutableArray<long> ColumnModes { get; }

    /// <summary>S₁…S_q.</summary>
    public ImmutableArray<long> ColumnRanks { get; }

    /// <summary>Seed and distribution of all factors.</summary>
    public RandomSource Source { get; }

    /// <summary>The user's factor.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override UpdateOperator Left { get; }

    /// <inheritdoc/>
    public override UpdateOperator Core { get; }

    /// <inheritdoc/>
    public override UpdateOperator Right { get; }

    /// <inheritdoc/>
    public override float Alpha { get; }

    /// <inheritdoc/>
    public override ImmutableArray<TrainedTensor> Trained { get; }

    /// <summary>min(Π min(Jₙ,Rₙ), Π min(Iₘ,Sₘ)).</summary>
    public override long RankBound => Math.Min(Bound(RowModes, RowRanks), Bound(ColumnModes, ColumnRanks));

    private static TeraUpdate Propose(
        long outFeatures, long rowRank, long inFeatures, long columnRank, ulong seed, Distribution distribution, double scale)
    {
        ImmutableArray<long> rows = ModeFactorization.Propose(outFeatures), columns = ModeFactorization.Propose(inFeatures);
        return new TeraUpdate(
            rows, ModeFactorization.ProposeRanks(rows, rowRank), columns, ModeFactorization.ProposeRanks(columns, columnRank), seed, distribution, scale);
    }

    private static long Bound(ImmutableArray<long> modes, ImmutableArray<long> ranks) =>
        modes.Zip(ranks, Math.Min).Aggregate(1L, (product, length) => product * length);

    private static void Check(ImmutableArray<long> modes, string modesName, ImmutableArray<long> ranks, string ranksName)
    {
        if (modes.IsDefaultOrEmpty || modes.Length > MaximumModes)
        {
            throw new ArgumentException($"Expected 1 to {MaximumModes} modes, found {(modes.IsDefault ? 0 : modes.Length)}.", modesName);
        }

        if (ranks.IsDefault || ranks.Length != modes.Length)
        {
            throw new ArgumentException($"Expected one rank for each of the {modes.Length} modes, found {(ranks.IsDefault ? 0 : ranks.Length)}.", ranksName);
        }

        CheckPositive(modes, modesName);
        CheckPositive(ranks, ranksName);
    }

    private static void CheckPositive(ImmutableArray<long> lengths, string name)
    {
        double product = 1;
        for (int i = 0; i < lengths.Length; i++)
        {
            if (lengths[i] < 1)
            {
                throw new ArgumentException($"Number {i} must be at least 1, found {lengths[i]}.", name);
            }

            product *= lengths[i];
        }

        if (product > int.MaxValue)
        {
            throw new ArgumentException($"The product {string.Join('·', lengths)} exceeds {int.MaxValue}.", name);
        }
    }
}
