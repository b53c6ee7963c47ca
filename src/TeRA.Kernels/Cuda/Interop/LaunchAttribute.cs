using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary><c>CUlaunchAttribute</c>: an id, then a union of 64 bytes at 8, of which only an int is used here.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttribute
{
    /// <summary>CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, value 1: the kernel may start before the one before it in the stream has ended.</summary>
    public const int ProgrammaticStreamSerialization = 6;

    /// <summary>Which attribute.</summary>
    [FieldOffset(0)]
    public int Id;

    /// <summary>Its value.</summary>
    [FieldOffset(8)]
    public int Value;
}
