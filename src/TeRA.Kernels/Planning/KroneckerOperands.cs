using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>What the terms of a Kronecker update share within a pass: each is computed once, by whoever asks first.</summary>
/// <param name="update">Whose they are.</param>
/// <param name="rows">U's side.</param>
/// <param name="columns">V's side.</param>
/// <param name="core">G.</param>
internal sealed class KroneckerOperands(WeightUpdate update, KroneckerSide rows, KroneckerSide columns, CoreSource core)
{
    /// <summary>α.</summary>
    public double Alpha => update.Alpha;

    /// <summary>U's side.</summary>
    public KroneckerSide Rows => rows;

    /// <summary>V's side.</summary>
    public KroneckerSide Columns => columns;

    /// <summary>G.</summary>
    public CoreSource Core => core;

    /// <summary>d.</summary>
    public Operand D(PassBuilder pass) => Outer(pass, rows);

    /// <summary>e.</summary>
    public Operand E(PassBuilder pass) => Outer(pass, columns);

    /// <summary>d's or e's vectors, for kernels that scale factors.</summary>
    public ImmutableArray<Operand> Scales(PassBuilder pass, KroneckerSide side) => [.. side.Vectors(pass, update).Select(vector => vector.Operand)];

    /// <summary>P = X·V, times a power of two; forward leaves it for backward where the options say so.</summary>
    public Operand P(PassBuilder pass)
    {
        bool keep = pass.Problem is { KeepContractions: true, NeedParameterGradients: true };
        return pass.Known("P") ?? Contract(pass, pass.Input, pass.ScratchOrKept("P", pass.Problem.DType, pass.Problem.Tokens * columns.Rank, keep), columns, "P", "X");
    }

    /// <summary>Q = dY·U, times a power of two.</summary>
    public Operand Q(PassBuilder pass) =>
        pass.Known("Q") ?? Contract(pass, pass.OutputGradient, pass.Scratch("Q", pass.Problem.DType, pass.Problem.Tokens * rows.Rank), rows, "Q", "dY");

    /// <summary>The gradients of one side's vectors from its diagonal's.</summary>
    public void AddMarginals(PassBuilder pass, KroneckerSide side, Operand full) =>
        pass.Add(new VectorMarginalsStep(full, side.Vectors(pass, update), side.Gradients(pass, update))
        {
            Label = $"gradients of {string.Join(", ", side.Names(update))} += marginals of g_{side.Scale}",
        });

    private static Operand Contract(PassBuilder pass, Operand input, Operand output, KroneckerSide side, string name, string inputName)
    {
        pass.Add(new KroneckerStep(input, output, pass.Problem.Tokens, 1, side.Contract, side.Source)
        {
            Label = $"{name} = {KroneckerSide.Power(-side.FeatureShift)}·{inputName}·{side.Matrix}", Alpha = Math.ScaleB(1, -side.FeatureShift),
        });
        return output;
    }

    /// <summary>The outer product of a side's vectors. Forward leaves it for backward: R or S numbers.</summary>
    private Operand Outer(PassBuilder pass, KroneckerSide side)
    {
        if (pass.Known(side.Scale) is { } known)
        {
            return known;
        }

        Operand output = pass.ScratchOrKept(side.Scale, pass.Problem.ParameterDType, side.Rank, pass.Problem.NeedBackward);
        pass.Add(new OuterVectorsStep(side.Vectors(pass, update), output) { Label = $"{side.Scale} = {string.Join('⊗', side.Names(update))}" });
        return output;
    }
}
