using TeRA.Kernels.Cpu.Steps;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu;

/// <summary>Chooses the implementation of a step: which one, and float32 or float64.</summary>
internal static class CpuCompiler
{
    /// <summary>Makes a step ready to run.</summary>
    /// <exception cref="NotSupportedException">The step is of a type that this device does not know.</exception>
    public static CpuStep Create(WorkerPool pool, Step step) => step switch
    {
        MatrixProductStep { M: <= CpuThinProduct<float>.MaximumRows, Blocks: null } s => s.A.DType == DType.Float64 ? new CpuThinProduct<double>(pool, s) : new CpuThinProduct<float>(pool, s),
        MatrixProductStep s => s.A.DType == DType.Float64 ? new CpuMatrixProduct<double>(pool, s) : new CpuMatrixProduct<float>(pool, s),
        FilledProductStep s => new CpuSequence(pool, [Create(pool, s.Product), Create(pool, s.Fill)]),
        CoreProductStep s => s.A.DType == DType.Float64 ? new CpuCoreProduct<double>(pool, s) : new CpuCoreProduct<float>(pool, s),
        CoreProjectionStep s => s.Q.DType == DType.Float64 ? new CpuCoreProjection<double>(pool, s) : new CpuCoreProjection<float>(pool, s),
        CoreMarginalsStep { Contraction: { } product } s => Contracted(pool, s, product),
        CoreMarginalsStep s => s.H.DType == DType.Float64 ? new CpuCoreMarginals<double>(pool, s) : new CpuCoreMarginals<float>(pool, s),
        CoreExpansionStep s => s.Output.DType == DType.Float64 ? new CpuCoreExpansion<double>(pool, s) : new CpuCoreExpansion<float>(pool, s),
        KroneckerMatrixStep s => s.Output.DType == DType.Float64 ? new CpuKroneckerMatrix<double>(pool, s) : new CpuKroneckerMatrix<float>(pool, s),
        KroneckerMatricesStep s => new CpuSequence(pool, [.. s.Matrices.Cast<Step>().Prepend(s.Diagonals).OfType<Step>().Select(part => Create(pool, part))]),
        BlockOperandsStep s => new CpuSequence(pool, [.. new Step?[] { s.Diagonals, s.Modes, s.Core }.OfType<Step>().Select(part => Create(pool, part))]),
        KroneckerStep s => s.Output.DType == DType.Float64 ? new CpuKronecker<double>(pool, s) : new CpuKronecker<float>(pool, s),
        OuterVectorsStep { More.Length: > 0 } s => new CpuSequence(pool, [Create(pool, s with { More = [] }), .. s.More.Select(more => Create(pool, more))]),
        OuterVectorsStep s => s.Output.DType == DType.Float64 ? new CpuOuterVectors<double>(pool, s) : new CpuOuterVectors<float>(pool, s),
        VectorMarginalsStep { More.Length: > 0 } s => new CpuSequence(pool, [Create(pool, s with { More = [] }), .. s.More.Select(more => Create(pool, more))]),
        VectorMarginalsStep s => new CpuVectorMarginals(pool, s),
        ConvertStep s => Wide(s.Input, s.Output) ? new CpuConvert<double>(pool, s) : new CpuConvert<float>(pool, s),
        ScaledAddStep s => s.A.DType == DType.Float64 ? new CpuScaledAdd<double>(pool, s) : new CpuScaledAdd<float>(pool, s),
        ColumnSumStep s => Wide(s.Input, s.Output) ? new CpuColumnSum<double>(pool, s) : new CpuColumnSum<float>(pool, s),
        ScaledCopiesStep s => Wide(s.Input, s.Output) ? new CpuScaledCopies<double>(pool, s) : new CpuScaledCopies<float>(pool, s),
        ScaledCopiesGradientStep s => Wide(s.Input, s.Gradient) ? new CpuScaledCopiesGradient<double>(pool, s) : new CpuScaledCopiesGradient<float>(pool, s),
        FillRandomStep s => new CpuFillRandom(pool, s),
        ActivationStep s => s.Input.DType == DType.Float64 ? new CpuActivation<double>(pool, s) : new CpuActivation<float>(pool, s),
        ActivationGradientStep s => s.Input.DType == DType.Float64 ? new CpuActivationGradient<double>(pool, s) : new CpuActivationGradient<float>(pool, s),
        MeanSquaredErrorStep s => s.Prediction.DType == DType.Float64 ? new CpuMeanSquaredError<double>(pool, s) : new CpuMeanSquaredError<float>(pool, s),
        SoftmaxCrossEntropyStep s => new CpuSoftmaxCrossEntropy(pool, s),
        OptimizerStep s => s.DType == DType.Float64 ? new CpuOptimizer<double>(pool, s) : new CpuOptimizer<float>(pool, s),
        _ => throw new NotSupportedException($"The CPU device has no implementation of {step.GetType().Name} ({step.Label})."),
    };

    // H goes through the workspace, unrounded.
    private static CpuSequence Contracted(WorkerPool pool, CoreMarginalsStep marginals, KroneckerStep product)
    {
        var h = new Operand(Step.WorkspaceSlot, marginals.H.DType.ParameterDType());
        return new(pool, [Create(pool, product with { Output = h }), Create(pool, marginals with { Contraction = null, H = h })])
        {
            Workspace = checked(marginals.Core.R * marginals.Core.S * h.DType.Size()),
        };
    }

    private static bool Wide(Operand first, Operand second) => first.DType == DType.Float64 || second.DType == DType.Float64;
}
