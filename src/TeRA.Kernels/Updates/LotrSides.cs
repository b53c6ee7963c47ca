namespace TeRA.Kernels;

/// <summary>What LoTR's shared L and R are.</summary>
public enum LotrSides
{
    /// <summary>Frozen-random, regenerated from the seed.</summary>
    Frozen,

    /// <summary>Trained, one pair for a group of layers.</summary>
    Trained,
}
