namespace TeRA.Kernels;

/// <summary>
/// Which column of RandLoRA's B (N×(n·r), bases one after another: column b·r + ρ belongs to base b) meets which row λ[ρ, b]·A[ρ, :]·γ[b, :]. With all
/// columns random the two are equally good; adapters trained with one mean nothing with the other.
/// </summary>
public enum RandLoraPairing
{
    /// <summary>The paper's: column b·r + ρ meets (ρ, b), ΔW = Σ_b B_b·diag(λ[:, b])·A·diag(γ[b, :]).</summary>
    Paper,

    /// <summary>PEFT's: column j meets (⌊j/n⌋, j mod n). Files written by PEFT need it.</summary>
    Peft,
}
