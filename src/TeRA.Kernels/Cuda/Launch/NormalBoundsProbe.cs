using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>Measures by kernels/random/normal_bounds.cu how near a device's approximate functions come to the errors that kernels/random/rounded_normals.cuh allows them.</summary>
internal static class NormalBoundsProbe
{
    private const int Threads = 256;
    private const uint BlocksPerProcessor = 8;

    private static readonly KernelRequest Request = new("random/normal_bounds.cu", "normal_bounds", []) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    /// <summary>The kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => [Request];

    /// <summary>The greatest error for any word, as a part of what is allowed: at most one where the bounds hold.</summary>
    /// <param name="device">Whose functions.</param>
    public static (float Radius, float Direction) Measure(CudaDevice device)
    {
        using Tensor greatest = device.Allocate(DType.Float32, 2);
        greatest.Clear();
        uint blocks = BlocksPerProcessor * (uint)device.Traits.Processors;
        device.Kernels.Load(Request).Launch(new Arguments { Greatest = greatest.Address }, (blocks, 1, 1), Threads, 0, default);
        float[] found = greatest.ToArray<float>();
        return (found[0], found[1]);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Greatest;
    }
}
