using System.Collections.Immutable;

namespace TeRA.Kernels.Planning;

/// <summary>What forward leaves in the context for backward, and where. Filled while the forward pass is built, read by the backward pass.</summary>
internal sealed class KeptLayout
{
    private readonly List<PlanBuffer> buffers;

    /// <summary>Nothing is kept yet.</summary>
    public KeptLayout()
        : this([], 0)
    {
    }

    private KeptLayout(IEnumerable<PlanBuffer> buffers, long byteCount)
    {
        this.buffers = [.. buffers];
        ByteCount = byteCount;
    }

    /// <summary>Bytes of the context.</summary>
    public long ByteCount { get; private set; }

    /// <summary>The entries; slots belong to the pass that uses them.</summary>
    public ImmutableArray<PlanBuffer> Buffers => [.. buffers];

    /// <summary>Reserves room.</summary>
    public PlanBuffer Add(string name, DType dtype, long count)
    {
        var buffer = new PlanBuffer(-1, name, dtype, count, BufferRole.Kept) { Offset = ByteCount };
        buffers.Add(buffer);
        ByteCount += ScratchLayout.Align(buffer.ByteCount);
        return buffer;
    }

    /// <summary>Another with the same entries so far.</summary>
    public KeptLayout Copy() => new(buffers, ByteCount);

    /// <summary>The entry of this name, or null.</summary>
    public PlanBuffer? Find(string name) => buffers.Find(buffer => buffer.Name == name);
}
