namespace TeRA.Kernels.Verification;

/// <summary>What a compared array is: the bound depends on it.</summary>
internal enum QuantityKind
{
    /// <summary>ΔW or W, stored once in the weight's dtype.</summary>
    Weight,

    /// <summary>Y or dX, stored in the activations' dtype.</summary>
    Activation,

    /// <summary>A gradient of trained numbers, float32 or float64.</summary>
    Parameter,
}
