using TeRA.Kernels.Steps;
using static TeRA.Kernels.Planning.KroneckerSide;

namespace TeRA.Kernels.Planning;

/// <summary>
/// ΔW = U·diag(d)·G·diag(e)·Vᵀ with U = ⊗Aₙ, V = ⊗Cₘ, d = ⊗dₙ, e = ⊗eₘ. A sum over n random numbers of variance 1 grows by √n,
/// so every intermediate result carries a power of two near 1/√n: it costs no rounding and keeps float16 in range.
/// </summary>
internal sealed class KroneckerRules(WeightUpdate update, KroneckerOperator left, RandomOperator core, KroneckerOperator right) : UpdateRules
{
    private readonly KroneckerOperands operands = new(
        update, new KroneckerSide(left, "U", "A", "d"), new KroneckerSide(right, "V", "C", "e"), new CoreSource(core.Source, core.Stream, core.Rows, core.Columns));

    /// <inheritdoc/>
    public override void BuildWeight(PassBuilder pass, Operand? baseWeight, Operand target) => KroneckerWeight.Add(pass, operands, baseWeight, target);

    /// <inheritdoc/>
    public override void AddToOutput(PassBuilder pass)
    {
        Operand d = operands.D(pass), e = operands.E(pass), p = operands.P(pass);
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        Operand z = pass.Scratch("Z", pass.Problem.DType, pass.Problem.Tokens * rows.Rank);
        pass.Add(new CoreProductStep(p, z, pass.Problem.Tokens, operands.Core)
        {
            Label = $"Z = {Power(-columns.RankShift)}·(P∘e)·Gᵀ", Scale = e, Alpha = Math.ScaleB(1, -columns.RankShift),
        });
        int restored = columns.RankShift + columns.FeatureShift;
        pass.Add(new KroneckerStep(z, pass.Output, pass.Problem.Tokens, 1, rows.Expand, rows.Source)
        {
            Label = $"Y += α·{Power(restored)}·(Z∘d)·Uᵀ", InputScale = d, ModeScales = operands.Scales(pass, rows), AddTo = pass.Output,
            Alpha = Math.ScaleB(operands.Alpha, restored),
        });
    }

    /// <inheritdoc/>
    public override void AddToInputGradient(PassBuilder pass)
    {
        Operand d = operands.D(pass), e = operands.E(pass), q = operands.Q(pass);
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        Operand dp = pass.Scratch("dP", pass.Problem.DType, pass.Problem.Tokens * columns.Rank);
        pass.Add(new CoreProductStep(q, dp, pass.Problem.Tokens, operands.Core)
        {
            Label = $"dP = {Power(-rows.RankShift)}·(Q∘d)·G", OverRows = true, Scale = d, Alpha = Math.ScaleB(1, -rows.RankShift),
        });
        int restored = rows.RankShift + rows.FeatureShift;
        pass.Add(new KroneckerStep(dp, pass.InputGradient, pass.Problem.Tokens, 1, columns.Expand, columns.Source)
        {
            Label = $"dX += α·{Power(restored)}·(dP∘e)·Vᵀ", InputScale = e, ModeScales = operands.Scales(pass, columns), AddTo = pass.InputGradient,
            Alpha = Math.ScaleB(operands.Alpha, restored),
        });
    }

    /// <inheritdoc/>
    public override MatrixProductStep? JoinOutput(PassBuilder pass, MatrixProductStep product) => KroneckerBlocks.Join(pass, operands, product, overColumns: false);

    /// <inheritdoc/>
    public override MatrixProductStep? JoinInputGradient(PassBuilder pass, MatrixProductStep product) => KroneckerBlocks.Join(pass, operands, product, overColumns: true);

    /// <inheritdoc/>
    public override void AddParameterGradients(PassBuilder pass) => KroneckerGradients.Add(pass, operands);
}
