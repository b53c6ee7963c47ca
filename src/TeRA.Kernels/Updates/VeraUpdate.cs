using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// VeRA (arXiv 2310.11454): ΔW = diag(b)·B·diag(d)·A with B N×r and A r×K frozen and shared by all layers, b (zero at the start) and d trained.
/// Generated bases have the variances 2/K and 2/r of VeRA's Kaiming start by their default distribution, uniform: α = 2/√(K·r); given ones are used as
/// they are: α = 1.
/// </summary>
public sealed record VeraUpdate : WeightUpdate
{
    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">r, at least 1.</param>
    /// <param name="bases">A and B; uniform from seed 0 by default.</param>
    /// <param name="initialScale">The start of every element of d; VeRA's d_initial.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    /// <exception cref="ArgumentException">Given bases are too small for the layer, or the start is not finite.</exception>
    public VeraUpdate(long outFeatures, long inFeatures, long rank, FrozenBases? bases = null, double initialScale = 0.1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        CheckFinite(initialScale, nameof(initialScale));
        Rank = rank;
        Bases = bases ?? FrozenBases.Generated(0, Distribution.Uniform);
        Stored = Bases.Stored("vera_A", "vera_B");
        Trained =
        [
            new TrainedTensor("vera_lambda_b", [outFeatures], new TrainedStart(0)),
            new TrainedTensor("vera_lambda_d", [rank], new TrainedStart(initialScale)),
        ];
        Left = new ScaledOperator(Bases.B(outFeatures, rank), 1, CopyOrder.CopyByCopy, RowScale: 0, ColumnScale: 1);
        Core = new IdentityOperator(rank);
        Right = Bases.A(rank, inFeatures);
        Alpha = Bases.Source is null ? 1 : (float)(2 / Math.Sqrt((double)inFeatures * rank));
    }

    /// <inheritdoc/>
    public override string Method => "vera";

    /// <summary>r.</summary>
    public long Rank { get; }

    /// <summary>A and B.</summary>
    public FrozenBases Bases { get; }

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
    public override ImmutableArray<StoredTensor> Stored { get; }

    /// <inheritdoc/>
    public override long RankBound => Math.Min(Rank, Math.Min(OutFeatures, InFeatures));
}
