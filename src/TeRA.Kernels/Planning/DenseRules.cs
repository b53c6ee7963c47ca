using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// ΔW = M₀·M₁·M₂ (left, core, right), each the identity, frozen (random or stored), trained, or frozen with trained scales, and any of them possibly
/// transposed. With P = X·M₂ᵀ, Z = P·M₁ᵀ, Q = dY·M₀, D = Q·M₁: Y += α·Z·M₀ᵀ, dX += α·D·M₂, and the gradient of Mᵢ is α·(what dY becomes left of
/// it)ᵀ·(what X becomes right of it), or a projection of dW = dYᵀ·X where that takes fewer operations. Identities vanish from every chain.
/// </summary>
internal sealed class DenseRules : UpdateRules
{
    // A prediction must be better by more than it is exact.
    private const double ClearlyLess = 0.9;

    private static readonly string[] Names = ["Left", "Core", "Right"];
    private static readonly string[] FromInputNames = ["Z", "P", "X"];
    private static readonly string[] FromOutputNames = ["dY", "Q", "D"];

    private readonly WeightUpdate update;
    private readonly UpdateOperator[] operators;
    private readonly DenseOperators matrices;
    private readonly int first;
    private readonly int last;

    /// <summary>Rules for three dense operators, one of them at least not the identity.</summary>
    public DenseRules(WeightUpdate update)
    {
        this.update = update;
        operators = [update.Left, update.Core, update.Right];
        matrices = new DenseOperators(update);
        first = Array.FindIndex(operators, IsMatrix);
        last = Array.FindLastIndex(operators, IsMatrix);
        if (first < 0)
        {
            throw new NotSupportedException($"The update '{update.Method}' is the identity: it has neither a trained nor a random operator.");
        }
    }

    /// <inheritdoc/>
    public override void BuildWeight(PassBuilder pass, Operand? baseWeight, Operand target)
    {
        int count = operators.Count(IsMatrix);
        if (count == 1)
        {
            BuildFromOne(pass, baseWeight, target);
            return;
        }

        (MatrixView a, MatrixView b, string product) = count == 2
            ? (Load(pass, first), Load(pass, last), $"{Names[first]}·{Names[last]}")
            : ShorterPair(pass);
        var w = new MatrixView(target, pass.Problem.OutFeatures, pass.Problem.InFeatures);
        if (baseWeight is not { } start)
        {
            pass.Add(w.Product($"W = α·{product}", a, b, update.Alpha));
            return;
        }

        long elements = w.Rows * w.Columns;
        List<Step> inPlace = start == target ? [] : [new ConvertStep(start, target, elements) { Label = "W = W0" }];
        inPlace.Add(w.Product($"W += α·{product}", a, b, update.Alpha, accumulate: true));
        Step[] Apart(Operand delta) => SumOfProduct(w, start, (w with { Operand = delta }).Product($"ΔW = α·{product}", a, b, update.Alpha));

        // The sum apart is rounded once too, from a product in the parameters' dtype: more memory traffic, but some devices' fastest products
        // add to nothing of 16 bits. Predicted before its scratch is named.
        DType wide = pass.Problem.ParameterDType;
        bool apart = wide != pass.Problem.DType && Seconds(pass, Apart(new Operand(Step.WorkspaceSlot, wide))) < ClearlyLess * Seconds(pass, inPlace);
        IEnumerable<Step> cheaper = apart ? Apart(pass.Scratch("ΔW", wide, elements)) : inPlace;
        foreach (Step step in cheaper)
        {
            pass.Add(step);
        }
    }

    /// <inheritdoc/>
    public override void AddToOutput(PassBuilder pass)
    {
        MatrixView input = FromInput(pass, first), y = new(pass.Output, pass.Problem.Tokens, pass.Problem.OutFeatures);
        pass.Add(y.Product($"Y += α·{FromInputName(first)}·{Names[first]}ᵀ", input, Load(pass, first).T, update.Alpha, accumulate: true));
    }

    /// <inheritdoc/>
    public override void AddToInputGradient(PassBuilder pass)
    {
        MatrixView output = FromOutput(pass, last), dx = new(pass.InputGradient, pass.Problem.Tokens, pass.Problem.InFeatures);
        pass.Add(dx.Product($"dX += α·{FromOutputName(last)}·{Names[last]}", output, Load(pass, last), update.Alpha, accumulate: true));
    }

    /// <inheritdoc/>
    public override void AddParameterGradients(PassBuilder pass)
    {
        bool project = ProjectingIsShorter(pass.Problem);
        for (int i = 0; i < operators.Length; i++)
        {
            if (!DenseOperators.Trains(operators[i]))
            {
                continue;
            }

            MatrixView gradient = matrices.Gradient(pass, operators[i], Names[i], out bool accumulate);
            string label = $"gradient of {matrices.TrainedName(operators[i], Names[i])} {(accumulate ? "+=" : "=")} α·";
            if (project)
            {
                pass.Add(Projection(pass, i, gradient, label, accumulate));
            }
            else
            {
                MatrixView output = FromOutput(pass, i), input = FromInput(pass, i);
                pass.Add(gradient.Product($"{label}{FromOutputName(i)}ᵀ·{FromInputName(i)}", output.T, input, update.Alpha, accumulate));
            }

            matrices.AddScaleGradients(pass, operators[i], Names[i]);
        }
    }

    private static double Seconds(PassBuilder pass, IEnumerable<Step> steps) => steps.Sum(step => CostModel.Seconds(step, pass.Traits));

    private static bool IsMatrix(UpdateOperator candidate) => candidate is not IdentityOperator;

    private static Step[] SumOfProduct(MatrixView w, Operand start, MatrixProductStep product) =>
        [product, new ScaledAddStep(start, product.C, w.Operand, w.Rows * w.Columns) { Label = "W = W0 + ΔW" }];

    /// <summary>
    /// Of two matrices one trains: through dW = dYᵀ·X it takes B·N·K + N·K·R multiplications, by contracting first B·R·(N + K), where R is the length
    /// between the two. Full-rank updates over many tokens are shorter through dW.
    /// </summary>
    private bool ProjectingIsShorter(LayerProblem problem)
    {
        if (operators.Count(IsMatrix) != 2 || operators.Count(DenseOperators.Trains) != 1)
        {
            return false;
        }

        double b = problem.Tokens, n = problem.OutFeatures, k = problem.InFeatures, r = operators[first].Columns;
        return n * k * (b + r) < b * r * (n + k);
    }

    private MatrixProductStep Projection(PassBuilder pass, int trained, MatrixView gradient, string label, bool accumulate)
    {
        (long b, long n, long k) = (pass.Problem.Tokens, pass.Problem.OutFeatures, pass.Problem.InFeatures);
        Operand buffer = pass.Scratch("dW", pass.Problem.DType, n * k);
        MatrixView dw = gradient.Layout == Layout.Normal ? new(buffer, n, k) : new MatrixView(buffer, k, n).T;
        pass.Add(dw.Product("dW = dYᵀ·X", new MatrixView(pass.OutputGradient, b, n).T, new MatrixView(pass.Input, b, k)));
        return trained == first
            ? gradient.Product($"{label}dW·{Names[last]}ᵀ", dw, Load(pass, last).T, update.Alpha, accumulate)
            : gradient.Product($"{label}{Names[first]}ᵀ·dW", Load(pass, first).T, dw, update.Alpha, accumulate);
    }

    private void BuildFromOne(PassBuilder pass, Operand? baseWeight, Operand target)
    {
        long count = pass.Problem.OutFeatures * pass.Problem.InFeatures;
        MatrixView matrix = operators[first] is TrainedOperator trained ? matrices.Raw(pass, trained) : Load(pass, first);
        if (matrix.Layout == Layout.Transposed)
        {
            throw new NotSupportedException($"The update '{update.Method}' is one transposed operator alone, which no rule builds.");
        }

        if (baseWeight is { } start)
        {
            pass.Add(new ScaledAddStep(start, matrix.Operand, target, count) { Label = $"W = W0 + α·{Names[first]}", Alpha = update.Alpha });
            return;
        }

        pass.Add(new ConvertStep(matrix.Operand, target, count) { Label = $"W = {Names[first]}" });
        if (update.Alpha != 1)
        {
            pass.Add(new ScaledAddStep(target, target, target, count) { Label = "W += (α − 1)·W", Alpha = update.Alpha - 1.0 });
        }
    }

    /// <summary>All three are matrices: the shorter of Left·Core and Core·Right first.</summary>
    private (MatrixView A, MatrixView B, string Product) ShorterPair(PassBuilder pass)
    {
        long n = pass.Problem.OutFeatures, k = pass.Problem.InFeatures, r = operators[1].Rows, s = operators[1].Columns;
        MatrixView core = Load(pass, 1);
        if ((double)n * s <= (double)r * k)
        {
            var t = new MatrixView(pass.Scratch("T", pass.Problem.DType, n * s), n, s);
            pass.Add(t.Product("T = Left·Core", Load(pass, 0), core));
            return (t, Load(pass, 2), "T·Right");
        }

        var u = new MatrixView(pass.Scratch("T", pass.Problem.DType, r * k), r, k);
        pass.Add(u.Product("T = Core·Right", core, Load(pass, 2)));
        return (Load(pass, 0), u, "Left·T");
    }

    /// <summary>X after the operators right of number <paramref name="i"/>.</summary>
    private MatrixView FromInput(PassBuilder pass, int i)
    {
        if (i == operators.Length - 1)
        {
            return new MatrixView(pass.Input, pass.Problem.Tokens, pass.Problem.InFeatures);
        }

        if (!IsMatrix(operators[i + 1]))
        {
            return FromInput(pass, i + 1);
        }

        UpdateOperator next = operators[i + 1];
        if (pass.Known(FromInputNames[i]) is { } known)
        {
            return new MatrixView(known, pass.Problem.Tokens, next.Rows);
        }

        MatrixView source = FromInput(pass, i + 1), matrix = Load(pass, i + 1);
        bool keep = pass.Problem is { KeepContractions: true, NeedParameterGradients: true };
        var result = new MatrixView(pass.ScratchOrKept(FromInputNames[i], pass.Problem.DType, pass.Problem.Tokens * next.Rows, keep), pass.Problem.Tokens, next.Rows);
        pass.Add(result.Product($"{FromInputNames[i]} = {FromInputName(i + 1)}·{Names[i + 1]}ᵀ", source, matrix.T));
        return result;
    }

    /// <summary>dY after the operators left of number <paramref name="i"/>.</summary>
    private MatrixView FromOutput(PassBuilder pass, int i)
    {
        if (i == 0)
        {
            return new MatrixView(pass.OutputGradient, pass.Problem.Tokens, pass.Problem.OutFeatures);
        }

        if (!IsMatrix(operators[i - 1]))
        {
            return FromOutput(pass, i - 1);
        }

        UpdateOperator previous = operators[i - 1];
        if (pass.Known(FromOutputNames[i]) is { } known)
        {
            return new MatrixView(known, pass.Problem.Tokens, previous.Columns);
        }

        MatrixView source = FromOutput(pass, i - 1), matrix = Load(pass, i - 1);
        var result = new MatrixView(pass.Scratch(FromOutputNames[i], pass.Problem.DType, pass.Problem.Tokens * previous.Columns), pass.Problem.Tokens, previous.Columns);
        pass.Add(result.Product($"{FromOutputNames[i]} = {FromOutputName(i - 1)}·{Names[i - 1]}", source, matrix));
        return result;
    }

    private string FromInputName(int i) =>
        i == operators.Length - 1 || IsMatrix(operators[i + 1]) ? FromInputNames[i] : FromInputName(i + 1);

    private string FromOutputName(int i) =>
        i == 0 || IsMatrix(operators[i - 1]) ? FromOutputNames[i] : FromOutputName(i - 1);

    private MatrixView Load(PassBuilder pass, int i) => matrices.Load(pass, operators[i], Names[i]);
}
