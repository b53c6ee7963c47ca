namespace TeRA.Kernels.Steps;

/// <summary>
/// What a joined product needs of a Kronecker update besides the tokens, made in one launch where the device can: the same results, to the last bit, as
/// <paramref name="Diagonals"/>, <paramref name="Modes"/> and <paramref name="Core"/> one after the other. Neither of the last two reads what the other writes.
/// </summary>
/// <param name="Diagonals">d and e, which <paramref name="Core"/> may read; null where they are in memory already.</param>
/// <param name="Modes">F: the modes after the first.</param>
/// <param name="Core">M: the core with the first mode.</param>
internal sealed record BlockOperandsStep(OuterVectorsStep? Diagonals, KroneckerMatrixStep Modes, CoreExpansionStep Core) : Step
{
    /// <inheritdoc/>
    public override double Operations => (Diagonals?.Operations ?? 0) + Modes.Operations + Core.Operations;

    /// <inheritdoc/>
    public override double Bytes => (Diagonals?.Bytes ?? 0) + Modes.Bytes + Core.Bytes;
}
