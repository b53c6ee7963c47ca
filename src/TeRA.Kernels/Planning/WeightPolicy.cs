namespace TeRA.Kernels;

/// <summary>What the merged path does with W = W0 + α·ΔW between forward and backward.</summary>
public enum WeightPolicy
{
    /// <summary>W lives in the scratch that all layers share, and is built again for dX.</summary>
    Rebuild,

    /// <summary>W stays in the context: N×K more elements for each layer, one build less.</summary>
    Keep,
}
