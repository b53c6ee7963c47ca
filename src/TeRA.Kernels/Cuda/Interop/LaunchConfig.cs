using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary><c>CUlaunchConfig</c>: 56 bytes on every 64-bit platform.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfig
{
    public uint GridX;
    public uint GridY;
    public uint GridZ;
    public uint BlockX;
    public uint BlockY;
    public uint BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttribute* Attributes;
    public uint AttributeCount;
}
