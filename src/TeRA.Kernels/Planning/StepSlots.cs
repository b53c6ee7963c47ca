using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>Which slots a step touches; the planner derives the lifetimes of scratch from it.</summary>
internal static class StepSlots
{
    /// <summary>The slots of every operand, in no particular order.</summary>
    public static IEnumerable<int> Of(Step step) => step switch
    {
        MatrixProductStep s => Slots(s.A, s.B, s.C, s.AddTo, s.Bias, s.Blocks?.A, s.Blocks?.B),
        FilledProductStep s => [.. Of(s.Product), .. Of(s.Fill)],
        KroneckerStep s => Slots([s.Input, s.Output, s.InputScale, s.AddTo, s.Prepared?.First, s.Prepared?.Rest, .. s.ModeScales]),
        CoreProductStep s => Slots(s.A, s.C, s.Scale),
        CoreExpansionStep s => Slots(s.Output, s.RowScale, s.ColumnScale),
        CoreMarginalsStep s => [.. Slots(s.H, s.RowScale, s.ColumnScale, s.RowGradient, s.ColumnGradient, s.Generated), .. s.Contraction is { } product ? Of(product) : []],
        KroneckerMatrixStep s => Slots([s.Output, .. s.Scales]),
        KroneckerMatricesStep s => [.. s.Diagonals is null ? [] : Of(s.Diagonals), .. s.Matrices.SelectMany(Of)],
        BlockOperandsStep s => [.. s.Diagonals is null ? [] : Of(s.Diagonals), .. Of(s.Modes), .. Of(s.Core)],
        CoreProjectionStep s => Slots(s.Q, s.P, s.RowScale, s.ColumnScale, s.RowGradient, s.ColumnGradient),
        OuterVectorsStep s => [.. s.Vectors.Select(vector => vector.Operand.Slot), s.Output.Slot, .. s.More.SelectMany(Of)],
        VectorMarginalsStep s => [s.Full.Slot, .. s.Vectors.Select(vector => vector.Operand.Slot), .. s.Gradients.Select(gradient => gradient.Slot), .. s.More.SelectMany(Of)],
        ConvertStep s => Slots(s.Input, s.Output),
        ScaledAddStep s => Slots(s.A, s.B, s.Output),
        ColumnSumStep s => Slots(s.Input, s.Output),
        FillRandomStep s => Slots(s.Output),
        ScaledCopiesStep s => Slots(s.Input, s.Output, s.RowScale, s.ColumnScale),
        ScaledCopiesGradientStep s => Slots(s.Gradient, s.Input, s.RowScale, s.ColumnScale, s.RowGradient, s.ColumnGradient),
        _ => throw new NotSupportedException($"{step.GetType().Name} is no step of a layer's plan."),
    };

    private static IEnumerable<int> Slots(params Operand?[] operands) => operands.OfType<Operand>().Select(operand => operand.Slot);
}
