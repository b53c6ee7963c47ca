namespace TeRA.Kernels;

/// <summary>How a layer with an update is computed.</summary>
public enum ExecutionPath
{
    /// <summary>The planner picks the paths of forward and backward by the predicted time of a step.</summary>
    Auto,

    /// <summary>W = W0 + α·ΔW is built into a scratch, then Y = X·Wᵀ and dX = dY·W are plain products.</summary>
    Merged,

    /// <summary>The activations go through the update's operators one after another; nothing of size N×K is written.</summary>
    Factored,

    /// <summary>There is no update: the frozen layer alone. The planner's answer, never a request.</summary>
    Plain,
}
