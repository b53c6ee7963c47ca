namespace TeRA.Kernels;

/// <summary>
/// The stream that a call's work goes to: any <c>CUstream</c>, ours or another library's. The CPU device runs every call
/// at once, in order, and ignores it.
/// </summary>
/// <param name="Value">The raw <c>CUstream</c>; 0 stands for the device's own stream.</param>
public readonly record struct StreamHandle(nint Value)
{
    /// <summary>CUDA's legacy default stream (<c>CU_STREAM_LEGACY</c>), which synchronises with every blocking stream.</summary>
    public static StreamHandle Legacy => new(1);

    /// <summary>CUDA's per-thread default stream (<c>CU_STREAM_PER_THREAD</c>).</summary>
    public static StreamHandle PerThread => new(2);
}
