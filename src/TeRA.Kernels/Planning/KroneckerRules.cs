using System.Collections.Immutable;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>
/// ΔW = U·diag(d)·G·diag(e)·Vᵀ with U = ⊗Aₙ, V = ⊗Cₘ, d = ⊗dₙ, e = ⊗eₘ. A sum over n random numbers of variance 1 grows by √n,
/// so every intermediate result carries a power of two near 1/√n: it costs no rounding and keeps float16 in range.
/// </summary>
internal sealed class KroneckerRules(WeightUpdate update, KroneckerOperator left, RandomOperator core, KroneckerOperator right) : UpdateRules
{
    private readonly CoreSource source = new(core.Source, core.Stream, core.Rows, core.Columns);
    private readonly ImmutableArray<KroneckerMode> contractRows = Modes(left, contract: true);
    private readonly ImmutableArray<KroneckerMode> expandRows = Modes(left, contract: false);
    private readonly ImmutableArray<KroneckerMode> contractColumns = Modes(right, contract: true);
    private readonly ImmutableArray<KroneckerMode> expandColumns = Modes(right, contract: false);

    private long R => core.Rows;

    private long S => core.Columns;

    /// <inheritdoc/>
    public override void BuildWeight(PassBuilder pass, Operand? baseWeight, Operand target)
    {
        Operand d = Outer(pass, "d", left), e = Outer(pass, "e", right);
        DType dtype = pass.Problem.DType;
        long n = pass.Problem.OutFeatures, k = pass.Problem.InFeatures;
        if (BuildTransposed(pass, d, e, baseWeight, target))
        {
            return;
        }

        if ((double)R * k <= (double)n * S)
        {
            int shift = HalfLog(S);
            Operand t = pass.Scratch("T", dtype, R * k);
            pass.Add(new KroneckerStep(null, t, R, 1, expandColumns, right.Source)
            {
                Label = $"T = {Power(-shift)}·(G∘e)·Vᵀ", Core = source, InputScale = e, ModeScales = Scales(pass, right), Alpha = Math.ScaleB(1, -shift),
            });
            pass.Add(new KroneckerStep(t, target, 1, k, expandRows, left.Source)
            {
                Label = Sum("W", baseWeight, $"α·{Power(shift)}·U·(d∘T)"), InputScale = d, ModeScales = Scales(pass, left), AddTo = baseWeight, Alpha = Math.ScaleB(update.Alpha, shift),
            });
        }
        else
        {
            int shift = HalfLog(R);
            Operand t = pass.Scratch("T", dtype, n * S);
            pass.Add(new KroneckerStep(null, t, 1, S, expandRows, left.Source)
            {
                Label = $"T = {Power(-shift)}·U·(d∘G)", Core = source, InputScale = d, ModeScales = Scales(pass, left), Alpha = Math.ScaleB(1, -shift),
            });
            pass.Add(new KroneckerStep(t, target, n, 1, expandColumns, right.Source)
            {
                Label = Sum("W", baseWeight, $"α·{Power(shift)}·(T∘e)·Vᵀ"), InputScale = e, ModeScales = Scales(pass, right), AddTo = baseWeight, Alpha = Math.ScaleB(update.Alpha, shift),
            });
        }
    }

    /// <inheritdoc/>
    public override void AddToOutput(PassBuilder pass)
    {
        Operand d = Outer(pass, "d", left), e = Outer(pass, "e", right);
        Operand p = InputContraction(pass, pass.Problem.KeepContractions && pass.Problem.NeedParameterGradients);
        int shift = HalfLog(S);
        Operand z = pass.Scratch("Z", pass.Problem.DType, pass.Problem.Tokens * R);
        pass.Add(new CoreProductStep(p, z, pass.Problem.Tokens, source)
        {
            Label = $"Z = {Power(-shift)}·(P∘e)·Gᵀ", Scale = e, Alpha = Math.ScaleB(1, -shift),
        });
        int restored = shift + HalfLog(right.Features);
        pass.Add(new KroneckerStep(z, pass.Output, pass.Problem.Tokens, 1, expandRows, left.Source)
        {
            Label = $"Y += α·{Power(restored)}·(Z∘d)·Uᵀ", InputScale = d, ModeScales = Scales(pass, left), AddTo = pass.Output, Alpha = Math.ScaleB(update.Alpha, restored),
        });
    }

    /// <inheritdoc/>
    public override void AddToInputGradient(PassBuilder pass)
    {
        Operand d = Outer(pass, "d", left), e = Outer(pass, "e", right);
        Operand q = OutputContraction(pass);
        int shift = HalfLog(R);
        Operand dp = pass.Scratch("dP", pass.Problem.DType, pass.Problem.Tokens * S);
        pass.Add(new CoreProductStep(q, dp, pass.Problem.Tokens, source)
        {
            Label = $"dP = {Power(-shift)}·(Q∘d)·G", OverRows = true, Scale = d, Alpha = Math.ScaleB(1, -shift),
        });
        int restored = shift + HalfLog(left.Features);
        pass.Add(new KroneckerStep(dp, pass.InputGradient, pass.Problem.Tokens, 1, expandColumns, right.Source)
        {
            Label = $"dX += α·{Power(restored)}·(dP∘e)·Vᵀ", InputScale = e, ModeScales = Scales(pass, right), AddTo = pass.InputGradient, Alpha = Math.ScaleB(update.Alpha, restored),
        });
    }

    /// <inheritdoc/>
    public override void AddParameterGradients(PassBuilder pass)
    {
        Operand d = Outer(pass, "d", left), e = Outer(pass, "e", right);
        Operand q = OutputContraction(pass);
        Operand p = InputContraction(pass, keep: false);
        Operand rows = pass.Scratch("g_d", pass.Problem.ParameterDType, R);
        Operand columns = pass.Scratch("g_e", pass.Problem.ParameterDType, S);
        int restored = HalfLog(left.Features) + HalfLog(right.Features);
        pass.Add(new CoreProjectionStep(q, p, d, e, rows, columns, pass.Problem.Tokens, source)
        {
            Label = $"g_d, g_e = α·{Power(restored)}·(Qᵀ·P∘G) against e, d", Alpha = Math.ScaleB(update.Alpha, restored),
        });
        Marginals(pass, "d", rows, left);
        Marginals(pass, "e", columns, right);
    }

    private static ImmutableArray<KroneckerMode> Modes(KroneckerOperator side, bool contract) =>
        [.. side.Factors.Select(factor => new KroneckerMode(factor.Stream, factor.Features, factor.Rank, contract))];

    private static int HalfLog(long length) => (int)Math.Round(Math.Log2(length) / 2);

    private static string Power(int exponent) => $"2^{exponent}";

    private static string Sum(string target, Operand? baseWeight, string term) => baseWeight is null ? $"{target} = {term}" : $"{target} = W0 + {term}";

    /// <summary>
    /// Where the device multiplies rows into transposed rows, both halves are such products: rows of the core become Tᵀ (K×R), and rows of Tᵀ become W.
    /// </summary>
    /// <returns>Whether it does; otherwise nothing was added.</returns>
    private bool BuildTransposed(PassBuilder pass, Operand d, Operand e, Operand? baseWeight, Operand target)
    {
        int shift = HalfLog(S);
        long k = pass.Problem.InFeatures;
        DType dtype = pass.Problem.DType;
        KroneckerStep Half(Operand? input, Operand output, long rows, KroneckerOperator side, ImmutableArray<KroneckerMode> modes, Operand scale, string label) =>
            new(input, output, rows, 1, modes, side.Source) { Label = label, InputScale = scale, ModeScales = Scales(pass, side), TransposedOutput = true };

        // The shapes are judged before there is a buffer for T.
        var probe = new Operand(Step.WorkspaceSlot, dtype);
        KroneckerStep first = Half(null, probe, R, right, expandColumns, e, $"Tᵀ = {Power(-shift)}·V·(G∘e)ᵀ") with { Core = source, Alpha = Math.ScaleB(1, -shift) };
        KroneckerStep second = Half(probe, target, k, left, expandRows, d, Sum("W", baseWeight, $"α·{Power(shift)}·U·(d∘T)")) with
        {
            AddTo = baseWeight, Alpha = Math.ScaleB(update.Alpha, shift),
        };
        if (WgmmaModesShape.Choose(first, pass.Traits, out _) is null || WgmmaModesShape.Choose(second, pass.Traits, out _) is null)
        {
            return false;
        }

        Operand t = pass.Scratch("T", dtype, k * R);
        pass.Add(first with { Output = t });
        pass.Add(second with { Input = t });
        return true;
    }

    private ImmutableArray<Operand> Scales(PassBuilder pass, KroneckerOperator side) => [.. Vectors(pass, side).Select(vector => vector.Operand)];

    private Operand InputContraction(PassBuilder pass, bool keep)
    {
        if (pass.Known("P") is { } known)
        {
            return known;
        }

        int shift = HalfLog(right.Features);
        Operand p = pass.ScratchOrKept("P", pass.Problem.DType, pass.Problem.Tokens * S, keep);
        pass.Add(new KroneckerStep(pass.Input, p, pass.Problem.Tokens, 1, contractColumns, right.Source)
        {
            Label = $"P = {Power(-shift)}·X·V", Alpha = Math.ScaleB(1, -shift),
        });
        return p;
    }

    private Operand OutputContraction(PassBuilder pass)
    {
        if (pass.Known("Q") is { } known)
        {
            return known;
        }

        int shift = HalfLog(left.Features);
        Operand q = pass.Scratch("Q", pass.Problem.DType, pass.Problem.Tokens * R);
        pass.Add(new KroneckerStep(pass.OutputGradient, q, pass.Problem.Tokens, 1, contractRows, left.Source)
        {
            Label = $"Q = {Power(-shift)}·dY·U", Alpha = Math.ScaleB(1, -shift),
        });
        return q;
    }

    /// <summary>d or e. Forward leaves it for backward: R or S numbers.</summary>
    private Operand Outer(PassBuilder pass, string name, KroneckerOperator side)
    {
        if (pass.Known(name) is { } known)
        {
            return known;
        }

        Operand output = pass.ScratchOrKept(name, pass.Problem.ParameterDType, side.Rank, pass.Problem.NeedBackward);
        pass.Add(new OuterVectorsStep(Vectors(pass, side), output)
        {
            Label = $"{name} = {string.Join('⊗', side.Factors.Select(factor => update.Trained[factor.Trained].Name))}",
        });
        return output;
    }

    private void Marginals(PassBuilder pass, string name, Operand full, KroneckerOperator side) =>
        pass.Add(new VectorMarginalsStep(full, Vectors(pass, side), [.. side.Factors.Select(factor => Gradient(pass, factor))])
        {
            Label = $"gradients of {string.Join(", ", side.Factors.Select(factor => update.Trained[factor.Trained].Name))} += marginals of g_{name}",
        });

    private ImmutableArray<VectorOperand> Vectors(PassBuilder pass, KroneckerOperator side) =>
        [.. side.Factors.Select(factor => new VectorOperand(pass.Parameter(factor.Trained, update.Trained[factor.Trained].Name, factor.Rank), factor.Rank))];

    private Operand Gradient(PassBuilder pass, KroneckerFactor factor) =>
        pass.ParameterGradient(factor.Trained, update.Trained[factor.Trained].Name, factor.Rank);
}
