using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// ΔW = M₀·M₁·M₂ (left, core, right), each the identity, frozen-random or trained. With P = X·M₂ᵀ, Z = P·M₁ᵀ, Q = dY·M₀, D = Q·M₁:
/// Y += α·Z·M₀ᵀ, dX += α·D·M₂, and the gradient of a trained Mᵢ is α·(what dY becomes left of it)ᵀ·(what X becomes right of it).
/// Identities vanish from every chain.
/// </summary>
internal sealed class DenseRules : UpdateRules
{
    private static readonly string[] Names = ["Left", "Core", "Right"];
    private static readonly string[] FromInputNames = ["Z", "P", "X"];
    private static readonly string[] FromOutputNames = ["dY", "Q", "D"];

    private readonly WeightUpdate update;
    private readonly UpdateOperator[] operators;
    private readonly int first;
    private readonly int last;

    /// <summary>Rules for three dense operators, one of them at least not the identity.</summary>
    public DenseRules(WeightUpdate update)
    {
        this.update = update;
        operators = [update.Left, update.Core, update.Right];
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
        int matrices = operators.Count(IsMatrix);
        if (matrices == 1)
        {
            BuildFromOne(pass, baseWeight, target);
            return;
        }

        (Operand a, Operand b, long inner, string product) = matrices == 2
            ? (Load(pass, first), Load(pass, last), operators[last].Rows, $"{Names[first]}·{Names[last]}")
            : ShorterPair(pass);
        if (baseWeight is { } start)
        {
            pass.Add(new ConvertStep(start, target, pass.Problem.OutFeatures * pass.Problem.InFeatures) { Label = "W = W0" });
        }

        pass.Add(new MatrixProductStep(a, b, target, pass.Problem.OutFeatures, pass.Problem.InFeatures, inner)
        {
            Label = $"W {(baseWeight is null ? "=" : "+=")} α·{product}", Alpha = update.Alpha, Accumulate = baseWeight is not null,
        });
    }

    /// <inheritdoc/>
    public override void AddToOutput(PassBuilder pass) =>
        pass.Add(new MatrixProductStep(FromInput(pass, first), Load(pass, first), pass.Output, pass.Problem.Tokens, operators[first].Rows, operators[first].Columns)
        {
            Label = $"Y += α·{FromInputName(first)}·{Names[first]}ᵀ", LayoutB = Layout.Transposed, Alpha = update.Alpha, Accumulate = true,
        });

    /// <inheritdoc/>
    public override void AddToInputGradient(PassBuilder pass) =>
        pass.Add(new MatrixProductStep(FromOutput(pass, last), Load(pass, last), pass.InputGradient, pass.Problem.Tokens, operators[last].Columns, operators[last].Rows)
        {
            Label = $"dX += α·{FromOutputName(last)}·{Names[last]}", Alpha = update.Alpha, Accumulate = true,
        });

    /// <inheritdoc/>
    public override void AddParameterGradients(PassBuilder pass)
    {
        for (int i = 0; i < operators.Length; i++)
        {
            if (operators[i] is TrainedOperator trained)
            {
                TrainedTensor tensor = update.Trained[trained.Trained];
                Operand gradient = pass.ParameterGradient(trained.Trained, tensor.Name, tensor.Count);
                pass.Add(new MatrixProductStep(FromOutput(pass, i), FromInput(pass, i), gradient, trained.Rows, trained.Columns, pass.Problem.Tokens)
                {
                    Label = $"gradient of {tensor.Name} += α·{FromOutputName(i)}ᵀ·{FromInputName(i)}",
                    LayoutA = Layout.Transposed, Alpha = update.Alpha, Accumulate = true,
                });
            }
        }
    }

    private static bool IsMatrix(UpdateOperator candidate) => candidate is not IdentityOperator;

    private void BuildFromOne(PassBuilder pass, Operand? baseWeight, Operand target)
    {
        long count = pass.Problem.OutFeatures * pass.Problem.InFeatures;
        Operand matrix = operators[first] is TrainedOperator trained ? Raw(pass, trained) : Load(pass, first);
        if (baseWeight is { } start)
        {
            pass.Add(new ScaledAddStep(start, matrix, target, count) { Label = $"W = W0 + α·{Names[first]}", Alpha = update.Alpha });
            return;
        }

        pass.Add(new ConvertStep(matrix, target, count) { Label = $"W = {Names[first]}" });
        if (update.Alpha != 1)
        {
            pass.Add(new ScaledAddStep(target, target, target, count) { Label = "W += (α − 1)·W", Alpha = update.Alpha - 1.0 });
        }
    }

    /// <summary>All three are matrices: the shorter of Left·Core and Core·Right first.</summary>
    private (Operand A, Operand B, long Inner, string Product) ShorterPair(PassBuilder pass)
    {
        long n = pass.Problem.OutFeatures, k = pass.Problem.InFeatures, r = operators[1].Rows, s = operators[1].Columns;
        Operand core = Load(pass, 1);
        if ((double)n * s <= (double)r * k)
        {
            Operand t = pass.Scratch("T", pass.Problem.DType, n * s);
            pass.Add(new MatrixProductStep(Load(pass, 0), core, t, n, s, r) { Label = "T = Left·Core" });
            return (t, Load(pass, 2), s, "T·Right");
        }

        Operand u = pass.Scratch("T", pass.Problem.DType, r * k);
        pass.Add(new MatrixProductStep(core, Load(pass, 2), u, r, k, s) { Label = "T = Core·Right" });
        return (Load(pass, 0), u, r, "Left·T");
    }

    /// <summary>X after the operators right of number <paramref name="i"/>.</summary>
    private Operand FromInput(PassBuilder pass, int i)
    {
        if (i == operators.Length - 1)
        {
            return pass.Input;
        }

        if (!IsMatrix(operators[i + 1]))
        {
            return FromInput(pass, i + 1);
        }

        if (pass.Known(FromInputNames[i]) is { } known)
        {
            return known;
        }

        UpdateOperator next = operators[i + 1];
        Operand source = FromInput(pass, i + 1), matrix = Load(pass, i + 1);
        bool keep = pass.Problem is { KeepContractions: true, NeedParameterGradients: true };
        Operand result = pass.ScratchOrKept(FromInputNames[i], pass.Problem.DType, pass.Problem.Tokens * next.Rows, keep);
        pass.Add(new MatrixProductStep(source, matrix, result, pass.Problem.Tokens, next.Rows, next.Columns)
        {
            Label = $"{FromInputNames[i]} = {FromInputName(i + 1)}·{Names[i + 1]}ᵀ", LayoutB = Layout.Transposed,
        });
        return result;
    }

    /// <summary>dY after the operators left of number <paramref name="i"/>.</summary>
    private Operand FromOutput(PassBuilder pass, int i)
    {
        if (i == 0)
        {
            return pass.OutputGradient;
        }

        if (!IsMatrix(operators[i - 1]))
        {
            return FromOutput(pass, i - 1);
        }

        if (pass.Known(FromOutputNames[i]) is { } known)
        {
            return known;
        }

        UpdateOperator previous = operators[i - 1];
        Operand source = FromOutput(pass, i - 1), matrix = Load(pass, i - 1);
        Operand result = pass.Scratch(FromOutputNames[i], pass.Problem.DType, pass.Problem.Tokens * previous.Columns);
        pass.Add(new MatrixProductStep(source, matrix, result, pass.Problem.Tokens, previous.Columns, previous.Rows)
        {
            Label = $"{FromOutputNames[i]} = {FromOutputName(i - 1)}·{Names[i - 1]}",
        });
        return result;
    }

    private string FromInputName(int i) =>
        i == operators.Length - 1 || IsMatrix(operators[i + 1]) ? FromInputNames[i] : FromInputName(i + 1);

    private string FromOutputName(int i) =>
        i == 0 || IsMatrix(operators[i - 1]) ? FromOutputNames[i] : FromOutputName(i - 1);

    private Operand Raw(PassBuilder pass, TrainedOperator trained) =>
        pass.Parameter(trained.Trained, update.Trained[trained.Trained].Name, trained.Rows * trained.Columns);

    /// <summary>The operator's matrix in the activations' dtype: filled, converted, or the trained values themselves.</summary>
    private Operand Load(PassBuilder pass, int i)
    {
        if (pass.Known(Names[i]) is { } known)
        {
            return known;
        }

        long count = operators[i].Rows * operators[i].Columns;
        if (operators[i] is TrainedOperator trained)
        {
            Operand raw = Raw(pass, trained);
            if (raw.DType == pass.Problem.DType)
            {
                return raw;
            }

            Operand converted = pass.Scratch(Names[i], pass.Problem.DType, count);
            pass.Add(new ConvertStep(raw, converted, count) { Label = $"{Names[i]} = {update.Trained[trained.Trained].Name} in {pass.Problem.DType.Label()}" });
            return converted;
        }

        var random = (RandomOperator)operators[i];
        Operand filled = pass.Scratch(Names[i], pass.Problem.DType, count);
        pass.Add(new FillRandomStep(filled, new CoreSource(random.Source, random.Stream, random.Rows, random.Columns)) { Label = $"{Names[i]} = random stream {random.Stream}" });
        return filled;
    }
}
