using System.Runtime.InteropServices;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// Puts every allocation on a device between guard bands and fills it with NaN: tensors, parameters, contexts and the scratch of plans.
/// Disposing it fails the test when a band was touched.
/// </summary>
internal sealed class GuardingDevice(Device inner) : DeviceDecorator(inner)
{
    private readonly List<GuardedBuffer> buffers = [];

    /// <summary>Allocations so far.</summary>
    public int Allocations => buffers.Count;

    /// <summary>Fails when a guard band was touched.</summary>
    public void CheckBands()
    {
        Inner.Synchronize();
        Assert.That(buffers.Select(buffer => buffer.Damage()), Is.All.Null);
    }

    internal override SafeHandle AllocateMemory(long bytes)
    {
        var buffer = new GuardedBuffer(Inner, $"allocation {buffers.Count} of {bytes} bytes", bytes);
        buffers.Add(buffer);
        return new Borrowed(buffer.Address);
    }

    protected override void Dispose(bool disposing)
    {
        buffers.ForEach(buffer => buffer.Dispose());
        buffers.Clear();
        base.Dispose(disposing);
    }

    // The memory stays until the device is disposed, so that the bands of released allocations are checked too.
    private sealed class Borrowed : SafeHandle
    {
        public Borrowed(nint address)
            : base(0, ownsHandle: true) => SetHandle(address);

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle() => true;
    }
}
