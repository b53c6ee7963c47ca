using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// How ΔW = Left · Core · Right becomes steps. The rules know kinds of operators, never methods; one class serves each kind of
/// arithmetic (Kronecker factors around a regenerated core; dense operators).
/// </summary>
internal abstract class UpdateRules
{
    /// <summary>target = base + α·ΔW, or α·ΔW without a base.</summary>
    public abstract void BuildWeight(PassBuilder pass, Operand? baseWeight, Operand target);

    /// <summary>Y += α·X·ΔWᵀ.</summary>
    public abstract void AddToOutput(PassBuilder pass);

    /// <summary>
    /// Y's product with the term α·X·ΔWᵀ in the same accumulators, and before it, in the pass, the steps that its operands need. The product is returned
    /// and not added: null, and nothing added, where the device has no fast kernel for it.
    /// </summary>
    public abstract MatrixProductStep? JoinOutput(PassBuilder pass, MatrixProductStep product);

    /// <summary>The same for dX and the term α·dY·ΔW.</summary>
    public abstract MatrixProductStep? JoinInputGradient(PassBuilder pass, MatrixProductStep product);

    /// <summary>dX += α·dY·ΔW.</summary>
    public abstract void AddToInputGradient(PassBuilder pass);

    /// <summary>Adds to the gradient of every trained tensor of the update.</summary>
    public abstract void AddParameterGradients(PassBuilder pass);

    /// <summary>The rules for an update.</summary>
    /// <exception cref="NotSupportedException">No rules serve this combination of operators.</exception>
    public static UpdateRules Of(WeightUpdate update) => (update.Left, update.Core, update.Right) switch
    {
        (KroneckerOperator { Transposed: false } left, RandomOperator core, KroneckerOperator { Transposed: true } right) =>
            new KroneckerRules(update, left, core, right),
        (not KroneckerOperator, not KroneckerOperator, not KroneckerOperator) => new DenseRules(update),
        _ => throw new NotSupportedException(
            $"The operators {update.Left.GetType().Name} · {update.Core.GetType().Name} · {update.Right.GetType().Name} of '{update.Method}' have no rules: "
            + "Kronecker sides come in pairs around a RandomOperator, all other operators are dense."),
    };
}
