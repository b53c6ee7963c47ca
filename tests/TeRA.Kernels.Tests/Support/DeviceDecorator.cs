using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Support;

/// <summary>A device that hands everything on to another one; subclasses change one thing. It does not own the inner device.</summary>
internal abstract class DeviceDecorator(Device inner) : Device
{
    public override DeviceKind Kind => inner.Kind;

    public override string Name => inner.Name;

    public override string Id => inner.Id;

    internal override DeviceTraits Traits => inner.Traits;

    protected Device Inner => inner;

    public override bool Supports(DType dtype) => inner.Supports(dtype);

    public override void Synchronize(StreamHandle stream = default) => inner.Synchronize(stream);

    internal override void CopyIn(nint destination, ReadOnlySpan<byte> source, StreamHandle stream) => inner.CopyIn(destination, source, stream);

    internal override void CopyOut(nint source, Span<byte> destination, StreamHandle stream) => inner.CopyOut(source, destination, stream);

    internal override void CopyWithin(nint destination, nint source, long bytes, StreamHandle stream) => inner.CopyWithin(destination, source, bytes, stream);

    internal override void Fill(nint destination, byte value, long bytes, StreamHandle stream) => inner.Fill(destination, value, bytes, stream);

    internal override SafeHandle AllocateMemory(long bytes) => inner.AllocateMemory(bytes);

    internal override CompiledStep Compile(Step step) => inner.Compile(step);

    protected override void Dispose(bool disposing)
    {
    }
}
