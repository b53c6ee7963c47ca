using System.Collections.Immutable;
using System.Globalization;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>One side of ΔW = U·diag(d)·G·diag(e)·Vᵀ, and what the formulas call its parts.</summary>
/// <param name="Operator">⊗Aₙ or ⊗Cₘ.</param>
/// <param name="Matrix">U or V.</param>
/// <param name="Factor">A or C.</param>
/// <param name="Scale">d or e.</param>
internal sealed record KroneckerSide(KroneckerOperator Operator, string Matrix, string Factor, string Scale)
{
    /// <summary>Features → ranks.</summary>
    public ImmutableArray<KroneckerMode> Contract { get; } = Modes(Operator, contract: true);

    /// <summary>Ranks → features.</summary>
    public ImmutableArray<KroneckerMode> Expand { get; } = Modes(Operator, contract: false);

    /// <summary>Seed and distribution of the factors.</summary>
    public RandomSource Source => Operator.Source;

    /// <summary>N or K.</summary>
    public long Features => Operator.Features;

    /// <summary>R or S.</summary>
    public long Rank => Operator.Rank;

    /// <summary>The exponent of a power of two near √N (√K): what a sum over so many random numbers grows by.</summary>
    public int FeatureShift => HalfLog(Features);

    /// <summary>The same for the rank.</summary>
    public int RankShift => HalfLog(Rank);

    /// <summary>The exponent of the power of two nearest to √length.</summary>
    public static int HalfLog(long length) => (int)Math.Round(Math.Log2(length) / 2);

    /// <summary>A power of two in a label.</summary>
    public static string Power(int exponent) => $"2^{exponent}";

    /// <summary>The factors from number <paramref name="first"/> on, counted from 0, in a label: A₂⊗A₃, in brackets where something else is beside them.</summary>
    public string Factors(int first, bool inProduct = false)
    {
        IEnumerable<string> factors = Enumerable.Range(first + 1, Operator.Factors.Length - first).Select(number => Factor + Subscript(number));
        string product = string.Join('⊗', factors);
        return inProduct && product.Contains('⊗') ? $"({product})" : product;
    }

    /// <summary>What the factors of a product of this side are called in memory: the first mode's, and the others'. Scaled ones are others.</summary>
    public (string First, string Others) MatrixNames(KroneckerStep product)
    {
        string suffix = product.ModeScales.IsEmpty ? "" : $"∘{Scale}", turned = product.Modes[0].Contract ? "ᵀ" : "";
        return ($"{Factor}{Subscript(1)}{turned}{suffix}", $"{Factors(1, inProduct: turned.Length + suffix.Length > 0)}{turned}{suffix}");
    }

    /// <summary>The trained vectors, one for each factor.</summary>
    public ImmutableArray<VectorOperand> Vectors(PassBuilder pass, WeightUpdate update) =>
        [.. Operator.Factors.Select(factor => new VectorOperand(pass.Parameter(factor.Trained, update.Trained[factor.Trained].Name, factor.Rank), factor.Rank))];

    /// <summary>Where their gradients go.</summary>
    public ImmutableArray<Operand> Gradients(PassBuilder pass, WeightUpdate update) =>
        [.. Operator.Factors.Select(factor => pass.ParameterGradient(factor.Trained, update.Trained[factor.Trained].Name, factor.Rank))];

    /// <summary>The names of the trained vectors.</summary>
    public IEnumerable<string> Names(WeightUpdate update) => Operator.Factors.Select(factor => update.Trained[factor.Trained].Name);

    private static ImmutableArray<KroneckerMode> Modes(KroneckerOperator side, bool contract) =>
        [.. side.Factors.Select(factor => new KroneckerMode(factor.Stream, factor.Features, factor.Rank, contract))];

    private static string Subscript(int number) =>
        string.Concat(number.ToString(CultureInfo.InvariantCulture).Select(digit => (char)('₀' + (digit - '0'))));
}
