using System.Collections.Immutable;

namespace TeRA.Kernels.Steps;

/// <summary>
/// Several Kronecker matrices, and the outer products of a pass's vectors, made in one launch where the device can: the same results, to the last bit
/// (float32 products of three modes and more may be taken in another order), as <paramref name="Diagonals"/> and each of <paramref name="Matrices"/> one after
/// the other. None reads what another one writes.
/// </summary>
/// <param name="Diagonals">d and e; null where they are in memory already.</param>
/// <param name="Matrices">At least one, all of one dtype.</param>
internal sealed record KroneckerMatricesStep(OuterVectorsStep? Diagonals, ImmutableArray<KroneckerMatrixStep> Matrices) : Step
{
    /// <inheritdoc/>
    public override double Operations => (Diagonals?.Operations ?? 0) + Matrices.Sum(matrix => matrix.Operations);

    /// <inheritdoc/>
    public override double Bytes => (Diagonals?.Bytes ?? 0) + Matrices.Sum(matrix => matrix.Bytes);
}
