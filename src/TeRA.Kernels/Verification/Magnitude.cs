namespace TeRA.Kernels.Verification;

/// <summary>
/// What a reference makes of every number before it computes. A formula that is a sum of products then yields its value,
/// the sum of its terms' absolute values (the scale of BLAS error bounds), or the sum of their squares (the scale of rounding noise).
/// </summary>
internal enum Magnitude
{
    /// <summary>x.</summary>
    Value,

    /// <summary>|x|.</summary>
    Absolute,

    /// <summary>x².</summary>
    Square,
}
