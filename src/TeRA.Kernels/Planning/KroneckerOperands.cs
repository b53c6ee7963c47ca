using System.Collections.Immutable;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Planning.KroneckerSide;

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
    public Operand D(PassBuilder pass) => Diagonals(pass).D;

    /// <summary>e.</summary>
    public Operand E(PassBuilder pass) => Diagonals(pass).E;

    /// <summary>
    /// d and e with the step that makes them, the outer products of both sides' vectors in one launch, for the caller to add; null where the pass has them.
    /// Forward leaves them for backward: R + S numbers.
    /// </summary>
    public (Operand D, Operand E, OuterVectorsStep? Step) PlanDiagonals(PassBuilder pass)
    {
        if (pass.Known(rows.Scale) is { } d && pass.Known(columns.Scale) is { } e)
        {
            return (d, e, null);
        }

        OuterVectorsStep first = Outer(pass, rows), second = Outer(pass, columns);
        return (first.Output, second.Output, first with { Label = $"{first.Label}, {second.Label}", More = [second] });
    }

    /// <summary>d's or e's vectors, for kernels that scale factors.</summary>
    public ImmutableArray<Operand> Scales(PassBuilder pass, KroneckerSide side) => [.. side.Vectors(pass, update).Select(vector => vector.Operand)];

    /// <summary>
    /// G in the distribution's units, in the layer's dtype: what the products with it read. Alone the generator is as fast as the device's issue slots allow,
    /// and all of a pass reads what it wrote once.
    /// </summary>
    public Operand StoredCore(PassBuilder pass)
    {
        if (pass.Known("G") is { } known)
        {
            return known;
        }

        FillRandomStep fill = Fill(CoreOperand(pass));
        pass.Add(fill);
        return fill.Output;
    }

    /// <summary>
    /// The product, and G begun before its end where the pass may, does not have it yet, and runs on a device that has room: a part of the generator's time then
    /// does not show.
    /// </summary>
    public Step WithStoredCore(PassBuilder pass, MatrixProductStep product)
    {
        if (!pass.FillsEarly || !WgmmaProductRules.LeavesIdle(product, pass.Traits) || pass.Known("G") is not null)
        {
            return product;
        }

        FillRandomStep fill = Fill(CoreOperand(pass));
        return new FilledProductStep(product, fill) { Label = $"{product.Label}, {fill.Label}" };
    }

    /// <summary>
    /// Products with their factors in memory, which one step makes for the whole pass: it reads trained vectors alone, so it may come before everything else. d and
    /// e are made beside them where the pass lacks them.
    /// </summary>
    public ImmutableArray<KroneckerStep> Prepare(PassBuilder pass, params ReadOnlySpan<(KroneckerSide Side, KroneckerStep Product)> products)
    {
        OuterVectorsStep? diagonals = PlanDiagonals(pass).Step;
        ImmutableArray<KroneckerStep>.Builder prepared = ImmutableArray.CreateBuilder<KroneckerStep>();
        ImmutableArray<KroneckerMatrixStep>.Builder matrices = ImmutableArray.CreateBuilder<KroneckerMatrixStep>();
        foreach ((KroneckerSide side, KroneckerStep product) in products)
        {
            DType dtype = pass.Problem.DType;
            (string first, string rest) = side.MatrixNames(product);
            long count = product.Modes[0].In * product.Modes[0].Out;
            var factors = new PreparedFactors(pass.Scratch(first, dtype, count), pass.Scratch(rest, dtype, product.In * product.Out / count));
            prepared.Add(product with { Prepared = factors });
            ImmutableArray<KroneckerMatrixStep> made = product.FactorMatrices(factors);
            matrices.AddRange(made[0] with { Label = first }, made[1] with { Label = $"{Power((int)Math.Log2(product.RestScale))}·{rest}" });
        }

        KroneckerMatricesStep With(KroneckerMatricesStep? there)
        {
            ImmutableArray<KroneckerMatrixStep> all = [.. there?.Matrices ?? [], .. matrices];
            IEnumerable<Step> parts = all.Cast<Step>().Prepend(there?.Diagonals ?? diagonals).OfType<Step>();
            return new(there?.Diagonals ?? diagonals, all) { Label = string.Join(", ", parts.Select(part => part.Label)) };
        }

        if (diagonals is not null || !pass.Grow<KroneckerMatricesStep>(there => KroneckerMatricesLauncher.Takes([.. there.Matrices, .. matrices]) ? With(there) : null))
        {
            pass.Add(With(null));
        }

        return prepared.ToImmutable();
    }

    /// <summary>P = X·V, times a power of two; forward leaves it for backward where the options say so.</summary>
    public Operand P(PassBuilder pass) => pass.Known("P") ?? Contract(
        pass, pass.Input, pass.ScratchOrKept("P", pass.Problem.DType, pass.Problem.Tokens * columns.Rank, pass.Problem.KeepsContraction(columns.Rank)), columns, "P", "X");

    /// <summary>Q = dY·U, times a power of two.</summary>
    public Operand Q(PassBuilder pass) =>
        pass.Known("Q") ?? Contract(pass, pass.OutputGradient, pass.Scratch("Q", pass.Problem.DType, pass.Problem.Tokens * rows.Rank), rows, "Q", "dY");

    /// <summary>The gradients of all vectors from those of the diagonals, in one launch.</summary>
    public void AddMarginals(PassBuilder pass, Operand rowGradient, Operand columnGradient) =>
        pass.Add(Marginals(pass, rows, rowGradient) with
        {
            Label = $"gradients of {string.Join(", ", rows.Names(update).Concat(columns.Names(update)))} += marginals of g_d, g_e",
            More = [Marginals(pass, columns, columnGradient)],
        });

    private Operand CoreOperand(PassBuilder pass) => pass.Scratch("G", pass.Problem.DType, checked(core.R * core.S));

    private FillRandomStep Fill(Operand stored) => new(stored, core) { Label = $"G in {stored.DType.Label()}", Scale = 1 / core.Source.Distribution.Unit };

    private static Operand Contract(PassBuilder pass, Operand input, Operand output, KroneckerSide side, string name, string inputName)
    {
        pass.Add(new KroneckerStep(input, output, pass.Problem.Tokens, 1, side.Contract, side.Source)
        {
            Label = $"{name} = {KroneckerSide.Power(-side.FeatureShift)}·{inputName}·{side.Matrix}", Alpha = Math.ScaleB(1, -side.FeatureShift),
        });
        return output;
    }

    private (Operand D, Operand E) Diagonals(PassBuilder pass)
    {
        (Operand d, Operand e, OuterVectorsStep? step) = PlanDiagonals(pass);
        if (step is not null)
        {
            pass.Add(step);
        }

        return (d, e);
    }

    private OuterVectorsStep Outer(PassBuilder pass, KroneckerSide side)
    {
        Operand output = pass.ScratchOrKept(side.Scale, pass.Problem.ParameterDType, side.Rank, pass.Problem.NeedBackward);
        return new OuterVectorsStep(side.Vectors(pass, update), output) { Label = $"{side.Scale} = {string.Join('⊗', side.Names(update))}" };
    }

    private VectorMarginalsStep Marginals(PassBuilder pass, KroneckerSide side, Operand full) =>
        new(full, side.Vectors(pass, update), side.Gradients(pass, update)) { Label = $"marginals of g_{side.Scale}" };
}
