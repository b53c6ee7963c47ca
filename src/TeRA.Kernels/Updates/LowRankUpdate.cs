using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>LoRA (arXiv 2106.09685): ΔW = B·A with B N×r (zero at the start) and A r×K (uniform on ±1/√K) trained; α = alpha/r, or alpha/√r (rsLoRA).</summary>
public sealed record LowRankUpdate : WeightUpdate
{
    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">r, at least 1.</param>
    /// <param name="alpha">LoRA's alpha; r by default, so that α = 1.</param>
    /// <param name="rankStabilized">Divide by √r instead of r.</param>
    /// <param name="seed">Of A's start.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    /// <exception cref="ArgumentException">Alpha is not finite.</exception>
    public LowRankUpdate(long outFeatures, long inFeatures, long rank, double? alpha = null, bool rankStabilized = false, ulong seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        CheckFinite(alpha ?? 0, nameof(alpha));
        Rank = rank;
        StartSource = new RandomSource(seed, Distribution.Uniform);
        Trained =
        [
            new TrainedTensor("lora_A.weight", [rank, inFeatures], new TrainedStart(0, 1 / Math.Sqrt(inFeatures), 1)),
            new TrainedTensor("lora_B.weight", [outFeatures, rank], new TrainedStart(0)),
        ];
        Left = new TrainedOperator(outFeatures, rank, 1);
        Core = new IdentityOperator(rank);
        Right = new TrainedOperator(rank, inFeatures, 0);
        Alpha = (float)((alpha ?? rank) / (rankStabilized ? Math.Sqrt(rank) : rank));
    }

    /// <inheritdoc/>
    public override string Method => "lora";

    /// <summary>r.</summary>
    public long Rank { get; }

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
    public override RandomSource StartSource { get; }

    /// <inheritdoc/>
    public override long RankBound => Math.Min(Rank, Math.Min(OutFeatures, InFeatures));
}
