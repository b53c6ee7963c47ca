using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>Addresses of one call that are not the layer's own; 0 where the pass has no such buffer.</summary>
/// <param name="Input">X.</param>
/// <param name="Output">Y, or the matrix to write.</param>
/// <param name="OutputGradient">dY.</param>
/// <param name="InputGradient">dX.</param>
/// <param name="Kept">First byte of the context.</param>
internal readonly record struct CallAddresses(nint Input, nint Output, nint OutputGradient, nint InputGradient, nint Kept);

/// <summary>Addresses that stay the same while the same updates of a layer are enabled.</summary>
/// <param name="Weight">W0.</param>
/// <param name="Bias">b, or null.</param>
/// <param name="Parameters">The trained tensors.</param>
/// <param name="Stored">The frozen tensors that the updates were given.</param>
internal sealed record LayerAddresses(Tensor Weight, Tensor? Bias, Parameter[] Parameters, Tensor[] Stored);

/// <summary>A pass made ready for one device. Running it binds addresses and submits the steps; nothing is allocated.</summary>
internal sealed class CompiledPass
{
    private readonly Table aligned;
    private readonly Table unaligned;
    private readonly int? host;
    private readonly CompiledStep[] steps;

    /// <summary>Compiles every step.</summary>
    public CompiledPass(Device device, LayerPass pass)
    {
        aligned = new Table([.. pass.Buffers], ScratchLayout.Align(pass.ScratchBytes));
        unaligned = pass.Unaligned is { } other ? new Table([.. other.Buffers], ScratchLayout.Align(other.ScratchBytes)) : aligned;
        host = pass.Buffers.FirstOrDefault(buffer => buffer.Host is not null)?.Host;
        steps = [.. pass.Steps.Select(device.Compile)];
        WorkspaceBytes = steps.Select(step => step.WorkspaceBytes).DefaultIfEmpty(0).Max();
        ReservedBytes = aligned.ScratchBytes + WorkspaceBytes;
        UnalignedReservedBytes = unaligned.ScratchBytes + WorkspaceBytes;
    }

    /// <summary>Largest workspace of a step; it lies behind the scratch.</summary>
    public long WorkspaceBytes { get; }

    /// <summary>Scratch that a run reserves. Both passes of a program reserve what the larger one needs: growing between them would leave the smaller block behind.</summary>
    public long ReservedBytes { get; set; }

    /// <summary>The same for a run whose output starts at no multiple of 256 bytes.</summary>
    public long UnalignedReservedBytes { get; set; }

    /// <summary>Kernels launched.</summary>
    public int Launches => steps.Sum(step => step.Launches);

    /// <summary>What runs for each step.</summary>
    public ImmutableArray<string> Kernels => [.. steps.Select(step => step.Description)];

    /// <summary>Submits all steps, with the arena's lock held: the scratch belongs to this pass until its last step is submitted.</summary>
    public void Run(LayerAddresses layer, in CallAddresses call, ScratchArena arena, StreamHandle stream)
    {
        nint output = host is { } slot ? AddressOf(aligned.Buffers[slot], layer, call, default) : 0;
        bool isAligned = output % (nint)ScratchLayout.Alignment == 0;
        Table table = isAligned ? aligned : unaligned;
        Span<nint> addresses = stackalloc nint[table.Buffers.Length];
        lock (arena)
        {
            arena.Reserve(isAligned ? ReservedBytes : UnalignedReservedBytes);
            var scratch = new ScratchAddresses(arena.Address, arena.Address + (nint)table.ScratchBytes, (nint)ScratchLayout.Align(output));
            for (int i = 0; i < addresses.Length; i++)
            {
                addresses[i] = AddressOf(table.Buffers[i], layer, call, scratch);
            }

            foreach (CompiledStep step in steps)
            {
                step.Run(addresses, stream);
            }
        }
    }

    private static nint AddressOf(PlanBuffer buffer, LayerAddresses layer, in CallAddresses call, in ScratchAddresses scratch) => buffer.Role switch
    {
        BufferRole.Workspace => scratch.Workspace,
        BufferRole.Scratch => (buffer.Host is null ? scratch.Arena : scratch.Output) + (nint)buffer.Offset,
        BufferRole.Kept => call.Kept + (nint)buffer.Offset,
        BufferRole.Input => call.Input,
        BufferRole.Output => call.Output,
        BufferRole.OutputGradient => call.OutputGradient,
        BufferRole.InputGradient => call.InputGradient,
        BufferRole.Weight => layer.Weight.Address,
        BufferRole.Bias => layer.Bias!.Address,
        BufferRole.Parameter => layer.Parameters[buffer.Index].Value.Address,
        BufferRole.ParameterGradient => layer.Parameters[buffer.Index].Gradient.Address,
        BufferRole.Stored => layer.Stored[buffer.Index].Address,
        _ => throw new NotSupportedException($"{buffer.Role} is no role that a call binds."),
    };

    /// <summary>What the slots mean, and the bytes of scratch before the workspace.</summary>
    private sealed record Table(PlanBuffer[] Buffers, long ScratchBytes);

    /// <summary>First bytes of a run's scratch, of the workspace behind it, and of what its output lends until it is written.</summary>
    private readonly record struct ScratchAddresses(nint Arena, nint Workspace, nint Output);
}
