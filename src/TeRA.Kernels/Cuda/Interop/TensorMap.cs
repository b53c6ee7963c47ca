using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>The driver's opaque description of a tensor for the bulk copy engine: <c>tera::ptx::TensorMap</c> in kernels/ptx/tma.cuh.</summary>
[InlineArray(Words)]
internal struct TensorMap
{
    /// <summary>Its size in 8-byte words.</summary>
    public const int Words = 16;

    /// <summary>The alignment that the driver and the hardware want.</summary>
    public const int Alignment = 64;

    private ulong first;
}

/// <summary>The arguments of <c>cuTensorMapEncodeTiled</c>; the fastest dimension first.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TensorMapDescription
{
    /// <summary>Most dimensions that the library uses.</summary>
    public const int MaxRank = 3;

    public int DataType;
    public uint Rank;
    public nint Address;
    public fixed ulong Lengths[MaxRank];

    /// <summary>Bytes from one index to the next of every dimension but the fastest.</summary>
    public fixed ulong Strides[MaxRank];
    public fixed uint Box[MaxRank];
    public fixed uint ElementStrides[MaxRank];
    public int Interleave;
    public int Swizzle;
    public int L2Promotion;
    public int OutOfBounds;
}
