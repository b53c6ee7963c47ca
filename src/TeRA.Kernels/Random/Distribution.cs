using System.Globalization;

namespace TeRA.Kernels;

/// <summary>A distribution of factor format 1 with its parameter. Equal values describe equal factors.</summary>
public readonly record struct Distribution
{
    private Distribution(DistributionKind kind, double ternaryProbability)
    {
        Kind = kind;
        TernaryProbability = ternaryProbability;
    }

    /// <summary>Standard normal.</summary>
    public static Distribution Normal => new(DistributionKind.Normal, 0);

    /// <summary>Uniform on (−√3, √3).</summary>
    public static Distribution Uniform => new(DistributionKind.Uniform, 0);

    /// <summary>−1 or +1, evenly.</summary>
    public static Distribution Rademacher => new(DistributionKind.Rademacher, 0);

    /// <summary>Which one.</summary>
    public DistributionKind Kind { get; }

    /// <summary>p of <see cref="Ternary"/>: the probability of each sign; 0 for the others.</summary>
    public double TernaryProbability { get; }

    /// <summary>T = round(65536·p), ties to even: a 16-bit draw below T gives +c, from T to below 2T gives −c.</summary>
    public uint TernaryThreshold => (uint)Math.Round(65536 * TernaryProbability, MidpointRounding.ToEven);

    /// <summary>c = float32(1/√(2T/65536)) for ternary, float32(√3) for uniform, 1 otherwise.</summary>
    public float Magnitude => Kind switch
    {
        DistributionKind.Uniform => (float)Math.Sqrt(3.0),
        DistributionKind.Ternary => (float)(1.0 / Math.Sqrt(2.0 * TernaryThreshold / 65536.0)),
        _ => 1f,
    };

    /// <summary>
    /// What every element is a whole multiple of: c for ternary, whose elements are −c, 0 and c; 1 for the others. What is rounded to 16 bits is made in
    /// units of it, and a factor of a product in float32 puts it back: the rounding of c is the same in every element, so it does not
    /// average out in a sum as other roundings do, but would be an error of the whole result.
    /// </summary>
    internal double Unit => Kind == DistributionKind.Ternary ? Magnitude : 1;

    /// <summary>Sparse: +c and −c with probability <paramref name="probability"/> each, 0 otherwise.</summary>
    /// <param name="probability">p with 1 ≤ round(65536·p) ≤ 32768. The RandLoRA paper's sparse bases use 1/6.</param>
    /// <exception cref="ArgumentOutOfRangeException">The probability is outside that range or not a number.</exception>
    public static Distribution Ternary(double probability)
    {
        double threshold = Math.Round(65536 * probability, MidpointRounding.ToEven);
        if (!(threshold >= 1 && threshold <= 32768))
        {
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "a ternary probability p needs 1 ≤ round(65536·p) ≤ 32768, so that p is at most 0.5");
        }

        return new Distribution(DistributionKind.Ternary, probability);
    }

    /// <inheritdoc/>
    public override string ToString() => Kind == DistributionKind.Ternary
        ? string.Create(CultureInfo.InvariantCulture, $"ternary({TernaryProbability})")
        : Kind.ToString().ToLowerInvariant();
}
