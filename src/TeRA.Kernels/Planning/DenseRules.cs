using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// ΔW = M₀·M₁·M₂ (left, core, right), each the identity, frozen (random or stored), trained, or frozen with trained scales, and any of them possibly
/// transposed. With P = X·M₂ᵀ, Z = P·M₁ᵀ, Q = dY·M₀, D = Q·M₁: Y += α·Z·M₀ᵀ, dX += α·D·M₂, and the gradient of Mᵢ is α·(what dY becomes left of
/// it)ᵀ·(what X becomes right of it), or a projection of dW = dYᵀ·X where that takes fewer operations. Identities vanish from every chain.
/// </summary>
internal sealed class DenseRules : UpdateRules
{
    // α joins a 16-bit factor before it multiplies; float16 has few exponents to spare.
    private const double LargestJoinedAlpha = 256;

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

    private bool Scaling => update.Alpha != 1;

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
        string sum = baseWeight is null ? "W =" : baseWeight == target ? "W +=" : "W = W0 +";
        pass.Add(w.Product($"{sum} α·{product}", a, b, update.Alpha) with { AddTo = baseWeight });
    }

    /// <inheritdoc/>
    public override void AddToOutput(PassBuilder pass)
    {
        MatrixView input = FromInput(pass, first), y = new(pass.Output, pass.Problem.Tokens, pass.Problem.OutFeatures);
        pass.Add(y.Product($"Y += α·{FromInputName(first)}·{Names[first]}ᵀ", input, Load(pass, first).T, update.Alpha, accumulate: true));
    }

    /// <inheritdoc/>
    public override MatrixProductStep? JoinOutput(PassBuilder pass, MatrixProductStep product) => CanJoin(pass, product, AsItWillLie(pass, first).T)
        ? Join(product, FromInput(pass, first, Scaling), Load(pass, first).T, $"{FromInputName(first, Scaling)}·{Names[first]}ᵀ")
        : null;

    /// <inheritdoc/>
    public override MatrixProductStep? JoinInputGradient(PassBuilder pass, MatrixProductStep product) => CanJoin(pass, product, AsItWillLie(pass, last))
        ? Join(product, FromOutput(pass, last, Scaling), Load(pass, last), $"{FromOutputName(last, Scaling)}·{Names[last]}")
        : null;

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
            string label = $"gradient of {matrices.TrainedName(operators[i], Names[i])} {(accumulate ? "+=" : "=")} ";
            if (project)
            {
                pass.Add(Projection(pass, i, gradient, label, accumulate));
            }
            else
            {
                pass.Add(Contraction(pass, i, gradient, label, accumulate));
            }

            matrices.AddScaleGradients(pass, operators[i], Names[i]);
        }
    }

    private static MatrixProductStep Join(MatrixProductStep product, MatrixView a, MatrixView b, string term) => product with
    {
        Label = $"{product.Label} + {term}", Blocks = new BlockProduct(a.Operand, b.Operand, b.Rows, b.Columns) { LayoutB = b.Layout },
    };

    private static bool IsMatrix(UpdateOperator candidate) => candidate is not IdentityOperator;

    /// <summary>The gradient of an operator from what dY becomes left of it and X right of it. One of them may carry α already, from a joined product.</summary>
    private MatrixProductStep Contraction(PassBuilder pass, int i, MatrixView gradient, string label, bool accumulate)
    {
        bool outputScaled = i == last && first != last && pass.Known(FromOutputName(i, scaled: true)) is not null;
        bool inputScaled = !outputScaled && i == first && first != last && pass.Known(FromInputName(i, scaled: true)) is not null;
        MatrixView output = FromOutput(pass, i, outputScaled), input = FromInput(pass, i, inputScaled);
        bool scaled = outputScaled || inputScaled;
        string product = $"{FromOutputName(i, outputScaled)}ᵀ·{FromInputName(i, inputScaled)}";
        return gradient.Product(scaled ? label + product : $"{label}α·{product}", output.T, input, scaled ? 1 : update.Alpha, accumulate);
    }

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
            ? gradient.Product($"{label}α·dW·{Names[last]}ᵀ", dw, Load(pass, last).T, update.Alpha, accumulate)
            : gradient.Product($"{label}α·{Names[first]}ᵀ·dW", Load(pass, first).T, dw, update.Alpha, accumulate);
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

    /// <summary>Whether the term with this last factor may join the product: the factor before it takes α, so there must be one.</summary>
    private bool CanJoin(PassBuilder pass, MatrixProductStep product, MatrixView factor)
    {
        bool fits = pass.Problem.DType != DType.Float16 || Math.Abs(update.Alpha) <= LargestJoinedAlpha;
        return first != last && fits && WgmmaProductRules.Rejection(Join(product, factor, factor, ""), pass.Traits) is null;
    }

    /// <summary>An operator's matrix before it is loaded.</summary>
    private MatrixView AsItWillLie(PassBuilder pass, int i)
    {
        bool transposed = operators[i] is TransposedOperator;
        return new MatrixView(new Operand(Step.WorkspaceSlot, pass.Problem.DType), operators[i].Rows, operators[i].Columns, transposed ? Layout.Transposed : Layout.Normal);
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

    /// <summary>X after the operators right of number <paramref name="i"/>; times α when <paramref name="scaled"/>.</summary>
    private MatrixView FromInput(PassBuilder pass, int i, bool scaled = false)
    {
        if (i == operators.Length - 1)
        {
            return new MatrixView(pass.Input, pass.Problem.Tokens, pass.Problem.InFeatures);
        }

        if (!IsMatrix(operators[i + 1]))
        {
            return FromInput(pass, i + 1, scaled);
        }

        UpdateOperator next = operators[i + 1];
        string name = FromInputName(i, scaled);
        if (pass.Known(name) is { } known)
        {
            return new MatrixView(known, pass.Problem.Tokens, next.Rows);
        }

        MatrixView source = FromInput(pass, i + 1), matrix = Load(pass, i + 1);
        Operand buffer = pass.ScratchOrKept(name, pass.Problem.DType, pass.Problem.Tokens * next.Rows, pass.Problem.KeepsContraction(next.Rows));
        var result = new MatrixView(buffer, pass.Problem.Tokens, next.Rows);
        pass.Add(result.Product($"{name} = {(scaled ? "α·" : "")}{FromInputName(i + 1)}·{Names[i + 1]}ᵀ", source, matrix.T, scaled ? update.Alpha : 1));
        return result;
    }

    /// <summary>dY after the operators left of number <paramref name="i"/>; times α when <paramref name="scaled"/>.</summary>
    private MatrixView FromOutput(PassBuilder pass, int i, bool scaled = false)
    {
        if (i == 0)
        {
            return new MatrixView(pass.OutputGradient, pass.Problem.Tokens, pass.Problem.OutFeatures);
        }

        if (!IsMatrix(operators[i - 1]))
        {
            return FromOutput(pass, i - 1, scaled);
        }

        UpdateOperator previous = operators[i - 1];
        string name = FromOutputName(i, scaled);
        if (pass.Known(name) is { } known)
        {
            return new MatrixView(known, pass.Problem.Tokens, previous.Columns);
        }

        MatrixView source = FromOutput(pass, i - 1), matrix = Load(pass, i - 1);
        var result = new MatrixView(pass.Scratch(name, pass.Problem.DType, pass.Problem.Tokens * previous.Columns), pass.Problem.Tokens, previous.Columns);
        pass.Add(result.Product($"{name} = {(scaled ? "α·" : "")}{FromOutputName(i - 1)}·{Names[i - 1]}", source, matrix, scaled ? update.Alpha : 1));
        return result;
    }

    private string FromInputName(int i, bool scaled = false) =>
        i == operators.Length - 1 || IsMatrix(operators[i + 1]) ? Factor(scaled) + FromInputNames[i] : FromInputName(i + 1, scaled);

    private string FromOutputName(int i, bool scaled = false) =>
        i == 0 || IsMatrix(operators[i - 1]) ? Factor(scaled) + FromOutputNames[i] : FromOutputName(i - 1, scaled);

    private static string Factor(bool scaled) => scaled ? "α" : "";

    private MatrixView Load(PassBuilder pass, int i) => matrices.Load(pass, operators[i], Names[i]);
}
