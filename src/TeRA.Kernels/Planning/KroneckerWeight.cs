using System.Collections.Immutable;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Planning.KroneckerSide;

namespace TeRA.Kernels.Planning;

/// <summary>The steps that build W = W0 + α·U·diag(d)·G·diag(e)·Vᵀ: one side of the core is expanded, then the other.</summary>
internal static class KroneckerWeight
{
    /// <summary>target = base + α·ΔW, or α·ΔW without a base.</summary>
    public static void Add(PassBuilder pass, KroneckerOperands operands, Operand? baseWeight, Operand target)
    {
        if (AddTransposed(pass, operands, baseWeight, target))
        {
            return;
        }

        Operand d = operands.D(pass), e = operands.E(pass);
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        long n = rows.Features, k = columns.Features, r = rows.Rank, s = columns.Rank;
        DType dtype = pass.Problem.DType;
        if ((double)r * k <= (double)n * s)
        {
            int shift = columns.RankShift;
            Operand t = pass.Scratch("T", dtype, r * k);
            pass.Add(new KroneckerStep(null, t, r, 1, columns.Expand, columns.Source)
            {
                Label = $"T = {Power(-shift)}·(G∘e)·Vᵀ", Core = operands.Core, InputScale = e, ModeScales = operands.Scales(pass, columns), Alpha = Math.ScaleB(1, -shift),
            });
            pass.Add(new KroneckerStep(t, target, 1, k, rows.Expand, rows.Source)
            {
                Label = Sum(baseWeight, $"α·{Power(shift)}·U·(d∘T)"), InputScale = d, ModeScales = operands.Scales(pass, rows), AddTo = baseWeight, Alpha = Math.ScaleB(operands.Alpha, shift),
            });
        }
        else
        {
            int shift = rows.RankShift;
            Operand t = pass.Scratch("T", dtype, n * s);
            pass.Add(new KroneckerStep(null, t, 1, s, rows.Expand, rows.Source)
            {
                Label = $"T = {Power(-shift)}·U·(d∘G)", Core = operands.Core, InputScale = d, ModeScales = operands.Scales(pass, rows), Alpha = Math.ScaleB(1, -shift),
            });
            pass.Add(new KroneckerStep(t, target, n, 1, columns.Expand, columns.Source)
            {
                Label = Sum(baseWeight, $"α·{Power(shift)}·(T∘e)·Vᵀ"), InputScale = e, ModeScales = operands.Scales(pass, columns), AddTo = baseWeight, Alpha = Math.ScaleB(operands.Alpha, shift),
            });
        }
    }

    private static string Sum(Operand? baseWeight, string term) => baseWeight is null ? $"W = {term}" : $"W = W0 + {term}";

    /// <summary>
    /// Where the device multiplies rows into transposed rows, both halves are such products: rows of the core become Tᵀ (K×R), and rows of Tᵀ become W.
    /// </summary>
    /// <returns>Whether it does; otherwise nothing was added.</returns>
    private static bool AddTransposed(PassBuilder pass, KroneckerOperands operands, Operand? baseWeight, Operand target)
    {
        KroneckerSide rows = operands.Rows, columns = operands.Columns;
        int shift = columns.RankShift;
        KroneckerStep Half(Operand input, Operand output, long outer, KroneckerSide side, string label) => new(input, output, outer, 1, side.Expand, side.Source)
        {
            Label = label, InputScale = input, ModeScales = operands.Scales(pass, side), TransposedOutput = true,
        };

        // The shapes are judged before there are buffers.
        var probe = new Operand(Step.WorkspaceSlot, pass.Problem.DType);
        KroneckerStep first = Half(probe, probe, rows.Rank, columns, $"Tᵀ = {Power(-shift)}·V·(G∘e)ᵀ") with
        {
            Alpha = Math.ScaleB(operands.Core.Source.Distribution.Unit, -shift),
        };
        KroneckerStep second = Half(probe, target, columns.Features, rows, Sum(baseWeight, $"α·{Power(shift)}·U·(d∘T)")) with
        {
            AddTo = baseWeight, Alpha = Math.ScaleB(operands.Alpha, shift),
        };
        if (WgmmaModesShape.Choose(first, pass.Traits, out _) is null || WgmmaModesShape.Choose(second, pass.Traits, out _) is null)
        {
            return false;
        }

        pass.GoShortest(
            trial =>
            {
                AddHalves(trial, operands, first, second);
                return true;
            },
            trial =>
            {
                ImmutableArray<KroneckerStep> prepared = operands.Prepare(trial, (columns, first), (rows, second));
                AddHalves(trial, operands, prepared[0], prepared[1]);
                return true;
            });
        return true;
    }

    private static void AddHalves(PassBuilder pass, KroneckerOperands operands, KroneckerStep first, KroneckerStep second)
    {
        Operand d = operands.D(pass), e = operands.E(pass), core = operands.StoredCore(pass);
        Operand t = pass.Scratch("T", pass.Problem.DType, operands.Columns.Features * operands.Rows.Rank);
        pass.Add(first with { Input = core, Output = t, InputScale = e });
        pass.Add(second with { Input = t, InputScale = d });
    }
}
