using System.Runtime.InteropServices;

namespace TeRA.Kernels;

/// <summary>
/// The scratch of one stream. It grows when a plan needs more; blocks that it outgrew stay allocated until the device goes, since
/// captured graphs may still write to them. Whoever submits steps that use it holds its lock from the first step to the last.
/// </summary>
internal sealed class ScratchArena(Device device) : IDisposable
{
    // Small blocks grow by half, so that slowly growing requests leave little behind; large ones exactly, since memory is short then.
    private const long ExactFrom = 32L << 20;

    private readonly List<SafeHandle> blocks = [];
    private bool disposed;

    /// <summary>First byte of the current block; 0 before the first reservation.</summary>
    public nint Address { get; private set; }

    /// <summary>Bytes of the current block.</summary>
    public long Capacity { get; private set; }

    /// <summary>Makes the capacity at least <paramref name="bytes"/>; allocates only when it is smaller.</summary>
    public void Reserve(long bytes)
    {
        ObjectDisposedException.ThrowIf(disposed, device);
        if (bytes <= Capacity)
        {
            return;
        }

        long wanted = bytes < ExactFrom ? Math.Max(bytes, Capacity + (Capacity / 2)) : bytes;
        SafeHandle block = device.AllocateMemory(wanted);
        blocks.Add(block);
        Address = block.DangerousGetHandle();
        Capacity = wanted;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        disposed = true;
        foreach (SafeHandle block in blocks)
        {
            block.Dispose();
        }
    }
}

/// <summary>The arenas of a device, one for each stream that layers were run on.</summary>
internal sealed class ScratchArenas(Device device) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<StreamHandle, ScratchArena> arenas = [];
    private bool disposed;

    /// <summary>The arena of a stream.</summary>
    public ScratchArena Of(StreamHandle stream)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, device);
            if (!arenas.TryGetValue(stream, out ScratchArena? arena))
            {
                arenas.Add(stream, arena = new ScratchArena(device));
            }

            return arena;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            foreach (ScratchArena arena in arenas.Values)
            {
                arena.Dispose();
            }
        }
    }
}
