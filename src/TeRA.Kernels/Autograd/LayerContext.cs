using System.Runtime.InteropServices;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels;

/// <summary>
/// What a forward keeps for its backward. Reusable: the next forward with the same context overwrites it, and allocates nothing unless
/// it needs more room. One context serves one forward/backward pair at a time; it is not synchronised.
/// </summary>
public sealed class LayerContext : IDisposable
{
    private readonly List<SafeHandle> blocks = [];
    private bool disposed;
    private Device? device;
    private nint address;

    /// <summary>Whether backward will be asked for dX: set it before forward, since the planner's choice may depend on it.</summary>
    public bool InputGradient { get; init; } = true;

    /// <summary>Bytes of device memory that it holds.</summary>
    public long ByteCount { get; private set; }

    internal AdaptedLinear? Layer { get; private set; }

    internal LayerProgram? Program { get; private set; }

    internal LayerConfiguration? Configuration { get; private set; }

    internal nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return address;
        }
    }

    /// <summary>Releases what is kept. Work in flight that uses it must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        Program = null;
        foreach (SafeHandle block in blocks)
        {
            block.Dispose();
        }
    }

    /// <summary>Makes room for a forward. Outgrown blocks live on until disposal, since captured graphs may use them.</summary>
    internal void Prepare(AdaptedLinear layer, LayerProgram program)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Program = null;
        if (program.Plan.KeptBytes > (ReferenceEquals(device, layer.Device) ? ByteCount : 0))
        {
            SafeHandle block = layer.Device.AllocateMemory(program.Plan.KeptBytes);
            blocks.Add(block);
            address = block.DangerousGetHandle();
            ByteCount = program.Plan.KeptBytes;
            device = layer.Device;
        }

        Layer = layer;
    }

    /// <summary>The forward was submitted: backward may follow.</summary>
    internal void Complete(LayerConfiguration configuration, LayerProgram program) => (Configuration, Program) = (configuration, program);
}
