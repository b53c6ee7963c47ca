using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>What the launchers of portable products share.</summary>
internal static class ProductKernels
{
    /// <summary>The dtypes that CUDA steps take.</summary>
    public static ImmutableArray<DType> DTypes { get; } = [DType.Float32, DType.BFloat16, DType.Float16];

    /// <summary>For lists of variants.</summary>
    public static ImmutableArray<bool> Either { get; } = [false, true];

    /// <summary>Where an operand lies, 0 for none.</summary>
    public static nint At(ReadOnlySpan<nint> addresses, Operand? operand) => operand is { } present ? addresses[present.Slot] : 0;

    /// <summary>How a layout is written behind an operand's letter.</summary>
    public static string Mark(Layout layout) => layout == Layout.Transposed ? "ᵀ" : "";

    /// <summary>Loads a product kernel and allows it the shared memory that its configuration takes.</summary>
    public static CudaKernel Load(CudaDevice device, KernelRequest request, ProductConfig config)
    {
        CudaKernel kernel = device.Kernels.Load(request);
        kernel.AllowSharedMemory(config.SharedBytes);
        return kernel;
    }

    /// <summary>Refuses dtypes that no kernel takes, by operand.</summary>
    /// <exception cref="NotSupportedException">The dtype is none of <see cref="DTypes"/>, or not the one that the step wants here.</exception>
    public static void Require(bool condition, string step, string operand, DType found, string expected)
    {
        if (!condition)
        {
            throw new NotSupportedException($"{step}: {operand} is {found.Label()}; on CUDA it must be {expected}.");
        }
    }
}
