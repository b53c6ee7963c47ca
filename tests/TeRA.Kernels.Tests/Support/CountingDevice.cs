using System.Runtime.InteropServices;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Counts the bytes that are allocated and not yet released, and the most there were at a time.</summary>
internal sealed class CountingDevice(Device inner) : DeviceDecorator(inner)
{
    public long Held { get; private set; }

    public long Peak { get; private set; }

    internal override SafeHandle AllocateMemory(long bytes)
    {
        Held += bytes;
        Peak = Math.Max(Peak, Held);
        return new Counted(Inner.AllocateMemory(bytes), () => Held -= bytes);
    }

    private sealed class Counted : SafeHandle
    {
        private readonly SafeHandle memory;
        private readonly Action released;

        public Counted(SafeHandle memory, Action released)
            : base(0, ownsHandle: true)
        {
            this.memory = memory;
            this.released = released;
            SetHandle(memory.DangerousGetHandle());
        }

        public override bool IsInvalid => memory.IsInvalid;

        protected override bool ReleaseHandle()
        {
            memory.Dispose();
            released();
            return true;
        }
    }
}
