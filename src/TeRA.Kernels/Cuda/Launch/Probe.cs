using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>The twin of <c>ProbeArguments</c> in <c>kernels/common/probe.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ProbeArguments
{
    public nint Input;
    public nint Output;
    public long Count;
    public float Factor;
    public byte Tag;
}

/// <summary>The kernels of <c>kernels/common/probe.cu</c>, which prove the way from C# to a device before anything is computed on it.</summary>
internal static class Probe
{
    private const string File = "common/probe.cu";

    /// <summary>Writes the size and the offsets of <see cref="ProbeArguments"/> as the device sees them.</summary>
    public static KernelRequest Layout { get; } = Request("probe_layout");

    /// <summary>Output[i] = Factor · Input[i].</summary>
    public static KernelRequest Scale { get; } = Request("probe_scale");

    /// <summary>Stops with a fault, which costs the context.</summary>
    public static KernelRequest Trap { get; } = Request("probe_trap");

    /// <summary>All of them.</summary>
    public static IEnumerable<KernelRequest> Variants => [Layout, Scale, Trap];

    private static KernelRequest Request(string entry) => new(File, entry, []) { ArgumentBytes = Unsafe.SizeOf<ProbeArguments>() };
}
