using System.Collections.Immutable;

namespace TeRA.Kernels.Planning;

/// <summary>What forward leaves in the context for backward, and where. Filled while the forward pass is built, read by the backward pass.</summary>
internal sealed class KeptLayout
{
    private readonly List<PlanBuffer> buffers;
    private readonly ImmutableHashSet<string> unread;

    /// <summary>Nothing is kept yet.</summary>
    public KeptLayout()
        : this([], 0, [])
    {
    }

    private KeptLayout(IEnumerable<PlanBuffer> buffers, long byteCount, ImmutableHashSet<string> unread)
    {
        this.buffers = [.. buffers];
        this.unread = unread;
        ByteCount = byteCount;
    }

    /// <summary>Bytes of the context.</summary>
    public long ByteCount { get; private set; }

    /// <summary>The entries; slots belong to the pass that uses them.</summary>
    public ImmutableArray<PlanBuffer> Buffers => [.. buffers];

    /// <summary>What another forward kept.</summary>
    public static KeptLayout Of(LayerPlan plan) => new(plan.Kept, plan.KeptBytes, []);

    /// <summary>Nothing kept yet, and nothing to be kept that is among these entries and that backward does not read.</summary>
    public KeptLayout Without(LayerPass backward)
    {
        IEnumerable<string> read = backward.Buffers.Where(buffer => buffer.Role == BufferRole.Kept).Select(buffer => buffer.Name);
        return new KeptLayout([], 0, [.. buffers.Select(buffer => buffer.Name).Except(read)]);
    }

    /// <summary>Whether backward has no use for what has this name.</summary>
    public bool IsUnread(string name) => unread.Contains(name);

    /// <summary>Whether there is anything that backward has no use for.</summary>
    public bool HasUnread => !unread.IsEmpty;

    /// <summary>Reserves room.</summary>
    public PlanBuffer Add(string name, DType dtype, long count)
    {
        var buffer = new PlanBuffer(-1, name, dtype, count, BufferRole.Kept) { Offset = ByteCount };
        buffers.Add(buffer);
        ByteCount += ScratchLayout.Align(buffer.ByteCount);
        return buffer;
    }

    /// <summary>Another with the same entries so far.</summary>
    public KeptLayout Copy() => new(buffers, ByteCount, unread);

    /// <summary>The entry of this name, or null.</summary>
    public PlanBuffer? Find(string name) => buffers.Find(buffer => buffer.Name == name);
}
