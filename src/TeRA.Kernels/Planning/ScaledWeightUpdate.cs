using System.Collections.Immutable;

namespace TeRA.Kernels.Planning;

/// <summary>Another update with its factor α multiplied: what an adapter's scale means to the planner.</summary>
/// <param name="Inner">The other.</param>
/// <param name="Scale">The factor.</param>
internal sealed record ScaledWeightUpdate(WeightUpdate Inner, double Scale) : WeightUpdate
{
    /// <inheritdoc/>
    public override string Method => Inner.Method;

    /// <inheritdoc/>
    public override UpdateOperator Left => Inner.Left;

    /// <inheritdoc/>
    public override UpdateOperator Core => Inner.Core;

    /// <inheritdoc/>
    public override UpdateOperator Right => Inner.Right;

    /// <inheritdoc/>
    public override float Alpha => (float)(Inner.Alpha * Scale);

    /// <inheritdoc/>
    public override ImmutableArray<TrainedTensor> Trained => Inner.Trained;

    /// <inheritdoc/>
    public override ImmutableArray<StoredTensor> Stored => Inner.Stored;

    /// <inheritdoc/>
    public override RandomSource StartSource => Inner.StartSource;

    /// <inheritdoc/>
    public override long RankBound => Inner.RankBound;

    /// <summary>The update itself where the scale is one.</summary>
    public static WeightUpdate Of(WeightUpdate update, double scale) => scale == 1 ? update : new ScaledWeightUpdate(update, scale);
}
