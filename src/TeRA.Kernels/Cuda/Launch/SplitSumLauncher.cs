using System.Runtime.CompilerServices;

namespace TeRA.Kernels.Cuda;

/// <summary>Adds up the parts of a product whose sum was split (kernels/gemm/split_sum.cu).</summary>
internal sealed class SplitSumLauncher
{
    private const int Threads = 256;
    private readonly CudaKernel kernel;

    /// <summary>Loads the kernel for operands of <paramref name="dtype"/>.</summary>
    public SplitSumLauncher(CudaDevice device, DType dtype) => kernel = device.Kernels.Load(Request(dtype));

    /// <summary>Every variant.</summary>
    public static IEnumerable<KernelRequest> Variants => ProductKernels.DTypes.Select(Request);

    /// <summary>Bytes of the layers between the two kernels; 0 where the sum is whole.</summary>
    public static long WorkspaceBytes(ProductSchedule schedule, long m, long n) =>
        schedule.Parts > 1 ? checked(schedule.Parts * m * n * sizeof(float)) : 0;

    /// <summary>Launches it.</summary>
    public void Launch(in ProductOutputArguments output, StreamHandle stream) =>
        kernel.Launch(output, ((uint)(((output.M * ((output.N + 3) / 4)) + Threads - 1) / Threads), 1, 1), Threads, 0, stream, overlaps: true);

    private static KernelRequest Request(DType dtype) =>
        new("gemm/split_sum.cu", "split_sum", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<ProductOutputArguments>() };
}
