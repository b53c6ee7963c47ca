namespace TeRA.Kernels.Steps;

/// <summary>Output[i] = Input[i] in another dtype, rounded to nearest even.</summary>
/// <param name="Input">Source.</param>
/// <param name="Output">Destination, overwritten.</param>
/// <param name="Count">Elements.</param>
internal sealed record ConvertStep(Operand Input, Operand Output, long Count) : Step
{
    /// <inheritdoc/>
    public override double Operations => Count;

    /// <inheritdoc/>
    public override double Bytes => (double)Count * (Input.DType.Size() + Output.DType.Size());
}

/// <summary>Output[i] = A[i] + alpha·B[i], computed in float32 (float64) and rounded once; Output may be A.</summary>
/// <param name="A">First term.</param>
/// <param name="B">Scaled term; float32 (float64) or the dtype of A.</param>
/// <param name="Output">Destination, dtype of A.</param>
/// <param name="Count">Elements.</param>
internal sealed record ScaledAddStep(Operand A, Operand B, Operand Output, long Count) : Step
{
    /// <summary>Factor of B.</summary>
    public double Alpha { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => 2.0 * Count;

    /// <inheritdoc/>
    public override double Bytes => (double)Count * (A.DType.Size() + B.DType.Size() + Output.DType.Size());
}

/// <summary>Output[c] += Σ_r Input[r, c], summed in float32 (float64) in a fixed order: the gradient of a bias.</summary>
/// <param name="Input">Rows×Columns.</param>
/// <param name="Output">Columns elements, float32 (float64), accumulated into.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
internal sealed record ColumnSumStep(Operand Input, Operand Output, long Rows, long Columns) : Step
{
    /// <inheritdoc/>
    public override double Operations => (double)Rows * Columns;

    /// <inheritdoc/>
    public override double Bytes => (double)Rows * Columns * Input.DType.Size();
}

/// <summary>Output = scale · (the whole factor of R×S elements, row-major): the generated values, multiplied in float32 and rounded once.</summary>
/// <param name="Output">Destination, any dtype.</param>
/// <param name="Core">Which factor.</param>
internal sealed record FillRandomStep(Operand Output, CoreSource Core) : Step
{
    /// <summary>Factor of every element.</summary>
    public double Scale { get; init; } = 1;

    /// <inheritdoc/>
    public override double Operations => (double)Core.R * Core.S;

    /// <inheritdoc/>
    public override double Bytes => (double)Core.R * Core.S * Output.DType.Size();
}

/// <summary>The activation functions of the autograd layer.</summary>
internal enum ActivationKind
{
    /// <summary>max(x, 0), with NaN kept; its derivative at 0 is 0.</summary>
    Relu,

    /// <summary>x·Φ(x) with Φ by the error function, as PyTorch's default GELU.</summary>
    Gelu,
}

/// <summary>Output[i] = f(Input[i]), computed in float32 (float64).</summary>
/// <param name="Kind">f.</param>
/// <param name="Input">x.</param>
/// <param name="Output">Overwritten; same dtype.</param>
/// <param name="Count">Elements.</param>
internal sealed record ActivationStep(ActivationKind Kind, Operand Input, Operand Output, long Count) : Step
{
    /// <inheritdoc/>
    public override double Operations => Count;

    /// <inheritdoc/>
    public override double Bytes => 2.0 * Count * Input.DType.Size();
}

/// <summary>InputGradient[i] = OutputGradient[i]·f'(Input[i]); may be in place of OutputGradient.</summary>
/// <param name="Kind">f.</param>
/// <param name="Input">x, the input of the forward pass.</param>
/// <param name="OutputGradient">dL/df.</param>
/// <param name="InputGradient">dL/dx, overwritten.</param>
/// <param name="Count">Elements.</param>
internal sealed record ActivationGradientStep(
    ActivationKind Kind, Operand Input, Operand OutputGradient, Operand InputGradient, long Count) : Step
{
    /// <inheritdoc/>
    public override double Operations => 2.0 * Count;

    /// <inheritdoc/>
    public override double Bytes => 3.0 * Count * Input.DType.Size();
}
