namespace TeRA.Kernels;

/// <summary>How far a merge is.</summary>
/// <param name="Tensor">The tensor that was just written.</param>
/// <param name="BytesDone">Bytes written.</param>
/// <param name="BytesTotal">Bytes to be written in all.</param>
public readonly record struct MergeProgress(string Tensor, long BytesDone, long BytesTotal);
