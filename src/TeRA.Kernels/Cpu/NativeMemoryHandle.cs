using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cpu;

/// <summary>A block of native memory, aligned to 256 bytes and freed exactly once.</summary>
internal sealed unsafe class NativeMemoryHandle : SafeHandle
{
    private const int Alignment = 256;
    private readonly long bytes;

    /// <summary>Allocates without clearing; an empty block still has an address of its own.</summary>
    public NativeMemoryHandle(long bytes)
        : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        this.bytes = Math.Max(bytes, 1);
        SetHandle((nint)NativeMemory.AlignedAlloc(checked((nuint)this.bytes), Alignment));
        GC.AddMemoryPressure(this.bytes);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The first byte.</summary>
    public byte* Pointer => (byte*)handle;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        GC.RemoveMemoryPressure(bytes);
        return true;
    }
}
