using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>One step outside a plan, compiled. Slots 1, 2, … are the addresses of a call in order; the workspace is the stream's scratch.</summary>
internal sealed class SingleStep(Device device, Step step)
{
    private const int MostSlots = 8;

    private readonly CompiledStep compiled = device.Compile(step);

    /// <summary>Submits the step.</summary>
    public void Run(StreamHandle stream, params ReadOnlySpan<nint> operands)
    {
        Span<nint> addresses = stackalloc nint[MostSlots];
        operands.CopyTo(addresses[1..]);
        ScratchArena arena = device.Scratch.Of(stream);
        lock (arena)
        {
            arena.Reserve(compiled.WorkspaceBytes);
            addresses[Step.WorkspaceSlot] = arena.Address;
            compiled.Run(addresses[..(operands.Length + 1)], stream);
        }
    }
}
