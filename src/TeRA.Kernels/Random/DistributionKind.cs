namespace TeRA.Kernels;

/// <summary>The distributions of factor format 1; each has mean 0 and variance 1.</summary>
public enum DistributionKind
{
    /// <summary>Standard normal, by Box–Muller with the format's own polynomials.</summary>
    Normal,

    /// <summary>Uniform on (−√3, √3), in steps of 2⁻²².</summary>
    Uniform,

    /// <summary>−1 or +1.</summary>
    Rademacher,

    /// <summary>−c, 0 or +c with P(±c) = T/65536 each.</summary>
    Ternary,
}
