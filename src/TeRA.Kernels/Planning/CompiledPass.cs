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
    private readonly PlanBuffer[] buffers;
    private readonly CompiledStep[] steps;
    private readonly long scratchBytes;

    /// <summary>Compiles every step.</summary>
    public CompiledPass(Device device, LayerPass pass)
    {
        buffers = [.. pass.Buffers];
        steps = [.. pass.Steps.Select(device.Compile)];
        scratchBytes = ScratchLayout.Align(pass.ScratchBytes);
        WorkspaceBytes = steps.Select(step => step.WorkspaceBytes).DefaultIfEmpty(0).Max();
        ReservedBytes = scratchBytes + WorkspaceBytes;
    }

    /// <summary>Largest workspace of a step; it lies behind the scratch.</summary>
    public long WorkspaceBytes { get; }

    /// <summary>Scratch that a run reserves. Both passes of a program reserve what the larger one needs: growing between them would leave the smaller block behind.</summary>
    public long ReservedBytes { get; set; }

    /// <summary>Kernels launched.</summary>
    public int Launches => steps.Sum(step => step.Launches);

    /// <summary>What runs for each step.</summary>
    public ImmutableArray<string> Kernels => [.. steps.Select(step => step.Description)];

    /// <summary>Submits all steps, with the arena's lock held: the scratch belongs to this pass until its last step is submitted.</summary>
    public void Run(LayerAddresses layer, in CallAddresses call, ScratchArena arena, StreamHandle stream)
    {
        Span<nint> addresses = stackalloc nint[buffers.Length];
        lock (arena)
        {
            arena.Reserve(ReservedBytes);
            for (int slot = 0; slot < addresses.Length; slot++)
            {
                addresses[slot] = AddressOf(buffers[slot], layer, call, arena.Address);
            }

            foreach (CompiledStep step in steps)
            {
                step.Run(addresses, stream);
            }
        }
    }

    private nint AddressOf(PlanBuffer buffer, LayerAddresses layer, in CallAddresses call, nint scratch) => buffer.Role switch
    {
        BufferRole.Workspace => scratch + (nint)scratchBytes,
        BufferRole.Scratch => scratch + (nint)buffer.Offset,
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
}
