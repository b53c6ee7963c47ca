using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Support;

/// <summary>How the outputs of a step are compared with the reference.</summary>
internal enum StepAccuracy
{
    /// <summary>Equal to the reference rounded to the output's dtype: integer data, conversions, random elements.</summary>
    Exact,

    /// <summary>A sum of products: one rounding of the result, and 16 roundoffs of Σ|terms| for the accumulation.</summary>
    Sum,

    /// <summary>As <see cref="Sum"/>, with generated factors and intermediate results that may be rounded to the operands' 16-bit dtype.</summary>
    RoundedSum,

    /// <summary>Exponentials, roots, error functions: relative to the largest output.</summary>
    Smooth,
}

/// <summary>A step bound to a runner's operands, and what is compared afterwards.</summary>
/// <param name="Step">The step.</param>
/// <param name="Outputs">The operands it writes.</param>
/// <param name="Accuracy">How they are compared.</param>
internal sealed record BoundStep(Step Step, Operand[] Outputs, StepAccuracy Accuracy);

/// <summary>One step problem as data.</summary>
/// <param name="Name">Shown as the test's name.</param>
/// <param name="DType">Of its main operands; the device must support it.</param>
/// <param name="Bind">Makes operands in a runner and the step over them.</param>
internal sealed record StepCase(string Name, DType DType, Func<StepRunner, BoundStep> Bind)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} {DType.Label()}";
}
