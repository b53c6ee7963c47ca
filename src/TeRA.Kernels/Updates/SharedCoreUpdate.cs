using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// LoTR (arXiv 2402.01376) with both sides frozen-random: ΔW = L·M·R, M r×r trained and zero at the start,
/// L N×r (stream 0) and R r×K (stream 1) drawn from the seed; α = scale/r.
/// </summary>
public sealed record SharedCoreUpdate : WeightUpdate
{
    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">r, at least 1.</param>
    /// <param name="seed">Of L and R.</param>
    /// <param name="distribution">Of L and R; normal by default.</param>
    /// <param name="scale">The user's factor of ΔW.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public SharedCoreUpdate(long outFeatures, long inFeatures, long rank, ulong seed = 0, Distribution distribution = default, double scale = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        Rank = rank;
        Source = new RandomSource(seed, distribution);
        Trained = [new TrainedTensor("lotr_M", [rank, rank], new TrainedStart(0))];
        Left = new RandomOperator(outFeatures, rank, Source, 0);
        Core = new TrainedOperator(rank, rank, 0);
        Right = new RandomOperator(rank, inFeatures, Source, 1);
        Alpha = (float)(scale / rank);
    }

    /// <inheritdoc/>
    public override string Method => "lotr";

    /// <summary>r.</summary>
    public long Rank { get; }

    /// <summary>Seed and distribution of L and R.</summary>
    public RandomSource Source { get; }

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

    /// <inheritdoc/>
    public override long RankBound => Math.Min(Rank, Math.Min(OutFeatures, InFeatures));
}
