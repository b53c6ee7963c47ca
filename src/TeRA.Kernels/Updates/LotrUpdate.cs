using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// LoTR (arXiv 2402.01376): ΔW = L·M·R with M r×r trained for each layer, zero at the start; L N×r and R r×K shared by a group of layers, either
/// frozen-random (streams 0 and 1, regenerated) or trained, starting from the same random numbers. α = scale/r.
/// </summary>
/// <remarks>
/// Trained sides belong to a <see cref="LotrGroup"/>, whose parameters every layer of the group is given: their gradients add up over the layers, in the
/// order in which the backwards are submitted. A layer that is given none is a group of its own.
/// </remarks>
public sealed record LotrUpdate : WeightUpdate
{
    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">r, at least 1.</param>
    /// <param name="sides">Whether L and R are frozen or trained.</param>
    /// <param name="seed">Of L and R, or of their start.</param>
    /// <param name="distribution">Of frozen L and R; trained ones start normal.</param>
    /// <param name="scale">The user's factor of ΔW.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    /// <exception cref="ArgumentException">The scale is not finite, or a distribution other than normal is asked for the start of trained sides.</exception>
    public LotrUpdate(
        long outFeatures, long inFeatures, long rank, LotrSides sides = LotrSides.Frozen, ulong seed = 0, Distribution distribution = default, double scale = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        CheckFinite(scale, nameof(scale));
        if (sides == LotrSides.Trained && distribution != default)
        {
            throw new ArgumentException($"Trained sides start normal; expected no distribution, found {distribution}.", nameof(distribution));
        }

        Rank = rank;
        Sides = sides;
        Source = new RandomSource(seed, distribution);
        var core = new TrainedTensor("lotr_M", [rank, rank], new TrainedStart(0));
        Trained = sides == LotrSides.Frozen ? [core] :
        [
            core,
            new TrainedTensor("lotr_L", [outFeatures, rank], new TrainedStart(0, Stream: 0) { NormalDeviation = 1 }) { IsShared = true },
            new TrainedTensor("lotr_R", [rank, inFeatures], new TrainedStart(0, Stream: 1) { NormalDeviation = 1 }) { IsShared = true },
        ];
        Left = sides == LotrSides.Frozen ? new RandomOperator(outFeatures, rank, Source, 0) : new TrainedOperator(outFeatures, rank, 1);
        Core = new TrainedOperator(rank, rank, 0);
        Right = sides == LotrSides.Frozen ? new RandomOperator(rank, inFeatures, Source, 1) : new TrainedOperator(rank, inFeatures, 2);
        Alpha = (float)(scale / rank);
    }

    /// <inheritdoc/>
    public override string Method => "lotr";

    /// <summary>r.</summary>
    public long Rank { get; }

    /// <summary>Whether L and R are frozen or trained.</summary>
    public LotrSides Sides { get; }

    /// <summary>Seed and distribution of L and R, or of their start.</summary>
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
    public override RandomSource StartSource => Source;

    /// <inheritdoc/>
    public override long RankBound => Math.Min(Rank, Math.Min(OutFeatures, InFeatures));
}
