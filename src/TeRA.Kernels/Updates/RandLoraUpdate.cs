using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// RandLoRA (arXiv 2502.00987): ΔW = B·A' with A'[j, k] = λ[ρ, b]·A[ρ, k]·γ[b, k], full rank from n = ⌈min(N, K)/r⌉ bases of rank r.
/// For N ≥ K, B is N×(n·r) and A r×K; otherwise the sides are exchanged: B is K×(n·r), A r×N and ΔW = (B·A')ᵀ. A and B are frozen and shared
/// by all layers; λ r×n (zero at the start) and γ n×min(N, K) (1/max(n, min(N, K)) at the start) are trained. α = alpha/r.
/// </summary>
public sealed record RandLoraUpdate : WeightUpdate
{
    // PEFT's default: alpha 640 beside r 32.
    private const double DefaultAlphaOfRank = 20;

    /// <summary>Describes an update.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <param name="rank">r of each base, at least 1; more than min(N, K) makes one base.</param>
    /// <param name="pairing">Which columns of B meet which rows of A': there are two conventions, and files need theirs.</param>
    /// <param name="bases">A and B; normal from seed 0 by default.</param>
    /// <param name="alpha">RandLoRA's alpha; 20·r by default.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, or the pairing unknown.</exception>
    /// <exception cref="ArgumentException">Given bases are too small for the layer, or alpha is not finite.</exception>
    public RandLoraUpdate(long outFeatures, long inFeatures, long rank, RandLoraPairing pairing, FrozenBases? bases = null, double? alpha = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        if (!Enum.IsDefined(pairing))
        {
            throw new ArgumentOutOfRangeException(nameof(pairing), pairing, "expected Paper or Peft");
        }

        CheckFinite(alpha ?? 0, nameof(alpha));
        long shorter = Math.Min(outFeatures, inFeatures), longer = Math.Max(outFeatures, inFeatures);
        Rank = rank;
        BaseCount = ((shorter - 1) / rank) + 1;
        Pairing = pairing;
        Bases = bases ?? FrozenBases.Generated();
        Stored = Bases.Stored("randlora_A", "randlora_B");
        Trained =
        [
            new TrainedTensor("randlora_lambda", [rank, BaseCount], new TrainedStart(0)),
            new TrainedTensor("randlora_gamma", [BaseCount, shorter], new TrainedStart(1.0 / Math.Max(BaseCount, shorter))),
        ];
        UpdateOperator b = Bases.B(longer, checked(BaseCount * rank));
        var scaled = new ScaledOperator(
            Bases.A(rank, shorter), BaseCount, pairing == RandLoraPairing.Paper ? CopyOrder.CopyByCopy : CopyOrder.RowByRow, RowScale: 0, ColumnScale: 1);
        Left = IsExchanged(outFeatures, inFeatures) ? new TransposedOperator(scaled) : b;
        Core = new IdentityOperator(scaled.Rows);
        Right = IsExchanged(outFeatures, inFeatures) ? new TransposedOperator(b) : scaled;
        Alpha = (float)((alpha ?? (DefaultAlphaOfRank * rank)) / rank);
    }

    /// <inheritdoc/>
    public override string Method => "randlora";

    /// <summary>r.</summary>
    public long Rank { get; }

    /// <summary>n = ⌈min(N, K)/r⌉.</summary>
    public long BaseCount { get; }

    /// <summary>Which columns of B meet which rows of A'.</summary>
    public RandLoraPairing Pairing { get; }

    /// <summary>A and B.</summary>
    public FrozenBases Bases { get; }

    /// <inheritdoc/>
    public override UpdateOperator Left { get; }

    /// <inheritdoc/>
    public override UpdateOperator Core { get; }

    /// <inheritdoc/>
    public override UpdateOperator Right { get; }

    /// <inheritdoc/>
    public override float Alpha { get; }

    /// <inheritdoc/>
    public override ImmutableArray<TrainedTensor> Trained { get; }

    /// <inheritdoc/>
    public override ImmutableArray<StoredTensor> Stored { get; }

    /// <inheritdoc/>
    public override long RankBound => Math.Min(OutFeatures, InFeatures);

    /// <summary>The paper's sparse bases: −1 and +1 with probability 1/6 each, in units of variance 1.</summary>
    public static Distribution Sparse => Distribution.Ternary(1.0 / 6);

    /// <summary>The paper's very sparse bases: −1 and +1 with probability 1/(2√D) each, D = min(N, K), in units of variance 1.</summary>
    /// <param name="outFeatures">N.</param>
    /// <param name="inFeatures">K.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public static Distribution VerySparse(long outFeatures, long inFeatures)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inFeatures, 1);
        return Distribution.Ternary(0.5 / Math.Sqrt(Math.Min(outFeatures, inFeatures)));
    }

    private static bool IsExchanged(long outFeatures, long inFeatures) => outFeatures < inFeatures;
}
