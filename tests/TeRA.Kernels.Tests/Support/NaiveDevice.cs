using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// A device that executes steps by <see cref="NaiveSteps"/>: a third opinion beside the CPU and CUDA devices. A plan that is right on
/// it and wrong elsewhere has a wrong kernel; one that is wrong on it too is a wrong plan.
/// </summary>
internal sealed class NaiveDevice : Device
{
    public override DeviceKind Kind => DeviceKind.Cpu;

    public override string Name => "naive float64 interpreter";

    public override string Id => "naive";

    internal override DeviceTraits Traits => DeviceTraits.GenericCpu;

    public override bool Supports(DType dtype) => true;

    public override void Synchronize(StreamHandle stream = default)
    {
    }

    internal override unsafe void CopyIn(nint destination, ReadOnlySpan<byte> source, StreamHandle stream) =>
        source.CopyTo(new Span<byte>((void*)destination, source.Length));

    internal override unsafe void CopyOut(nint source, Span<byte> destination, StreamHandle stream) =>
        new ReadOnlySpan<byte>((void*)source, destination.Length).CopyTo(destination);

    internal override unsafe void CopyWithin(nint destination, nint source, long bytes, StreamHandle stream) =>
        Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

    internal override unsafe void Fill(nint destination, byte value, long bytes, StreamHandle stream) =>
        NativeMemory.Fill((void*)destination, (nuint)bytes, value);

    internal override SafeHandle AllocateMemory(long bytes) => new AlignedMemory(bytes);

    internal override CompiledStep Compile(Step step) => new CompiledNaiveStep(step);

    protected override void Dispose(bool disposing)
    {
    }

    private sealed class CompiledNaiveStep(Step step) : CompiledStep
    {
        public override string Description => $"naive {step.GetType().Name}";

        public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream) =>
            new NaiveSteps(new PointerMemory(addresses.ToArray())).Run(step);
    }

    private sealed unsafe class AlignedMemory : SafeHandle
    {
        public AlignedMemory(long bytes)
            : base(0, ownsHandle: true) => SetHandle((nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), 256));

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            NativeMemory.AlignedFree((void*)handle);
            return true;
        }
    }
}
