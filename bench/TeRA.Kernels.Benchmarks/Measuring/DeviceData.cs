using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>Random normal tensors, made on the device.</summary>
internal static class DeviceData
{
    /// <summary>Three times the L2 cache of the GPUs that are measured here: inputs rotate past it.</summary>
    public const long RotationBytes = 3L * (50 << 20);

    private static uint nextStream;

    /// <summary>A tensor of normal numbers.</summary>
    public static Tensor Normal(CudaDevice device, DType dtype, double scale, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = device.Allocate(dtype, shape);
        FillNormal(device, tensor, scale);
        return tensor;
    }

    /// <summary>Overwrites a tensor with normal numbers.</summary>
    public static void FillNormal(CudaDevice device, Tensor tensor, double scale)
    {
        var step = new FillRandomStep(new Operand(1, tensor.DType), new CoreSource(new RandomSource(99, Distribution.Normal), nextStream++, 1, tensor.ElementCount))
        {
            Label = "random", Scale = scale,
        };
        device.Compile(step).Run([0, tensor.Address], default);
        device.Synchronize();
    }

    /// <summary>How many sets of inputs of this size make one round.</summary>
    public static int Sets(long bytes) => (int)Math.Clamp((RotationBytes / bytes) + 1, 2, 16);
}
