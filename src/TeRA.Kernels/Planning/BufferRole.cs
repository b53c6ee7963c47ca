namespace TeRA.Kernels;

/// <summary>What a plan's buffer is bound to at run time.</summary>
public enum BufferRole
{
    /// <summary>A step's own workspace, in the shared scratch.</summary>
    Workspace,

    /// <summary>X.</summary>
    Input,

    /// <summary>Y; or the matrix that a merge writes.</summary>
    Output,

    /// <summary>dY.</summary>
    OutputGradient,

    /// <summary>dX.</summary>
    InputGradient,

    /// <summary>W0.</summary>
    Weight,

    /// <summary>b as the caller gave it.</summary>
    Bias,

    /// <summary>A trained tensor.</summary>
    Parameter,

    /// <summary>The gradient of a trained tensor.</summary>
    ParameterGradient,

    /// <summary>A frozen tensor that the layer was given beside its weight.</summary>
    Stored,

    /// <summary>
    /// Alive within one forward or one backward: in the shared scratch of the device and the stream, or in the memory of what the pass computes, until that is written.
    /// </summary>
    Scratch,

    /// <summary>In the context: written by forward, read by backward.</summary>
    Kept,
}
