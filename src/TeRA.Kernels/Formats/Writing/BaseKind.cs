namespace TeRA.Kernels;

/// <summary>What PEFT draws RandLoRA's frozen bases from.</summary>
public enum BaseKind
{
    /// <summary>Uniform, in 16 bits.</summary>
    Dense,

    /// <summary>−1, 0 and +1, with probability 1/6 for each sign.</summary>
    Sparse,

    /// <summary>−1, 0 and +1, with probability 1/(2√m) for each sign.</summary>
    VerySparse,
}
