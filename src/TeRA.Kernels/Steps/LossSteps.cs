namespace TeRA.Kernels.Steps;

/// <summary>
/// Loss[0] = (1/(Rows·Columns))·Σ (Prediction − Target)²; Gradient = 2·(Prediction − Target)/(Rows·Columns) · LossScale. Empty: loss 0.
/// </summary>
/// <param name="Prediction">Rows×Columns.</param>
/// <param name="Target">Same shape and dtype.</param>
/// <param name="Loss">One float32 (float64), overwritten.</param>
/// <param name="Gradient">Same shape and dtype as the prediction, overwritten; null when not wanted.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
internal sealed record MeanSquaredErrorStep(
    Operand Prediction, Operand Target, Operand Loss, Operand? Gradient, long Rows, long Columns) : Step
{
    /// <summary>Factor of the gradient, for float16 training; the loss itself is not scaled.</summary>
    public double LossScale { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => 4.0 * Rows * Columns;

    /// <inheritdoc/>
    public override double Bytes => 3.0 * Rows * Columns * Prediction.DType.Size();
}

/// <summary>
/// Loss[0] = (1/Rows)·Σ_b (log Σ_c exp x[b,c] − x[b, label_b]); Gradient = (softmax(x) − onehot)/Rows · LossScale. Empty: loss 0.
/// A label outside 0…Columns−1 makes the loss and its row's gradient NaN.
/// </summary>
/// <param name="Logits">Rows×Columns.</param>
/// <param name="LabelsSlot">Slot of Rows 32-bit signed labels.</param>
/// <param name="Loss">One float32 (float64), overwritten.</param>
/// <param name="Gradient">Same shape and dtype as the logits, overwritten; null when not wanted.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
internal sealed record SoftmaxCrossEntropyStep(
    Operand Logits, int LabelsSlot, Operand Loss, Operand? Gradient, long Rows, long Columns) : Step
{
    /// <summary>Factor of the gradient, for float16 training; the loss itself is not scaled.</summary>
    public double LossScale { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => 6.0 * Rows * Columns;

    /// <inheritdoc/>
    public override double Bytes => 2.0 * Rows * Columns * Logits.DType.Size();
}
