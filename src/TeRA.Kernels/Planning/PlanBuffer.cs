namespace TeRA.Kernels;

/// <summary>One entry of a pass's address table.</summary>
/// <param name="Slot">Its place in the table.</param>
/// <param name="Name">As the formulas call it.</param>
/// <param name="DType">Element type.</param>
/// <param name="Count">Elements.</param>
/// <param name="Role">What it is bound to.</param>
public sealed record PlanBuffer(int Slot, string Name, DType DType, long Count, BufferRole Role)
{
    /// <summary>Which parameter, for <see cref="BufferRole.Parameter"/> and <see cref="BufferRole.ParameterGradient"/>.</summary>
    public int Index { get; init; }

    /// <summary>First byte within the scratch or the context; for a buffer with a <see cref="Host"/>, from that one's first byte at a multiple of 256.</summary>
    public long Offset { get; init; }

    /// <summary>For scratch in the memory of the pass's own output, until that is written: the output's slot. Null for all other buffers.</summary>
    public int? Host { get; init; }

    /// <summary>Bytes.</summary>
    public long ByteCount => checked(Count * DType.Size());
}
