namespace TeRA.Kernels.Verification;

/// <summary>One problem of the sweep.</summary>
/// <param name="Name">Sizes and distribution, for people.</param>
/// <param name="Update">ΔW.</param>
/// <param name="Tokens">B.</param>
/// <param name="DType">Of the activations.</param>
/// <param name="Bias">With a bias, which is then trained too.</param>
/// <param name="Exact">Integer data: results must equal the reference.</param>
internal sealed record VerificationCase(string Name, WeightUpdate Update, long Tokens, DType DType, bool Bias, bool Exact)
{
    /// <summary>The numbers, made anew by every call.</summary>
    public LayerData Data() => Exact ? LayerData.Integers(Update, Tokens, DType, Bias) : LayerData.Normal(Update, Tokens, DType, Bias);

    /// <inheritdoc/>
    public override string ToString() => $"{Update.Method} {DType.Label()} {Name}";
}
