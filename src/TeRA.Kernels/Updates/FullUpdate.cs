using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>Full fine-tuning as an update: ΔW is itself trained, N×K, zero at the start; α = 1.</summary>
public sealed record FullUpdate : WeightUpdate
{
    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public FullUpdate(long outFeatures, long inFeatures)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        Trained = [new TrainedTensor("delta.weight", [outFeatures, inFeatures], new TrainedStart(0))];
        Left = new IdentityOperator(outFeatures);
        Core = new TrainedOperator(outFeatures, inFeatures, 0);
        Right = new IdentityOperator(inFeatures);
    }

    /// <inheritdoc/>
    public override string Method => "full";

    /// <inheritdoc/>
    public override UpdateOperator Left { get; }

    /// <inheritdoc/>
    public override UpdateOperator Core { get; }

    /// <inheritdoc/>
    public override UpdateOperator Right { get; }

    /// <inheritdoc/>
    public override float Alpha => 1;

    /// <inheritdoc/>
    public override ImmutableArray<TrainedTensor> Trained { get; }

    /// <inheritdoc/>
    public override long RankBound => Math.Min(OutFeatures, InFeatures);
}
