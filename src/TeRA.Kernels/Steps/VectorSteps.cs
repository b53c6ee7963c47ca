using System.Collections.Immutable;

namespace TeRA.Kernels.Steps;

/// <summary>A vector in a slot, with its length.</summary>
/// <param name="Operand">float32 (float64).</param>
/// <param name="Length">Elements.</param>
internal readonly record struct VectorOperand(Operand Operand, long Length);

/// <summary>Output = v₁ ⊗ v₂ ⊗ …, row-major: the last vector's index runs fastest. Products are taken from the first vector to the last.</summary>
/// <param name="Vectors">At least one.</param>
/// <param name="Output">Π lengths elements, overwritten; the vectors' dtype.</param>
internal sealed record OuterVectorsStep(ImmutableArray<VectorOperand> Vectors, Operand Output) : Step
{
    /// <summary>Further products in the same launch. None reads what another one writes, and none has more itself; their labels are not shown.</summary>
    public ImmutableArray<OuterVectorsStep> More { get; init; } = [];

    /// <summary>Π lengths of this product.</summary>
    public long Length => Vectors.Aggregate(1L, (product, vector) => checked(product * vector.Length));

    /// <inheritdoc/>
    public override double Operations => ((double)Length * (Vectors.Length - 1)) + More.Sum(step => step.Operations);

    /// <inheritdoc/>
    public override double Bytes => ((double)Length * Output.DType.Size()) + More.Sum(step => step.Bytes);
}

/// <summary>
/// The gradients of the vectors of an outer product from the gradient of the product:
/// Gradients[n][rₙ] += Σ over the other indices of Full[r₁…r_p] · Π_{m≠n} Vectors[m][r_m], in a fixed order.
/// The product leaves the n-th vector out; it is never divided by, so zeros are exact.
/// </summary>
/// <param name="Full">Gradient of v₁ ⊗ … ⊗ v_p.</param>
/// <param name="Vectors">v₁ … v_p.</param>
/// <param name="Gradients">One slot for each vector, accumulated into.</param>
internal sealed record VectorMarginalsStep(
    Operand Full, ImmutableArray<VectorOperand> Vectors, ImmutableArray<Operand> Gradients) : Step
{
    /// <summary>The same for further products in the same launch. None reads what another one writes, and none has more itself; their labels are not shown.</summary>
    public ImmutableArray<VectorMarginalsStep> More { get; init; } = [];

    /// <summary>Π lengths of this product.</summary>
    public long Length => Vectors.Aggregate(1L, (product, vector) => checked(product * vector.Length));

    /// <inheritdoc/>
    public override double Operations => ((double)Length * Vectors.Length * (Vectors.Length + 1)) + More.Sum(step => step.Operations);

    /// <inheritdoc/>
    public override double Bytes => ((double)Length * Vectors.Length * Full.DType.Size()) + More.Sum(step => step.Bytes);
}
