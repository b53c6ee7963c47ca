using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;

namespace TeRA.Kernels.Benchmarks;

/// <summary>What a call costs the host: nanoseconds and managed bytes of submitting a forward and a whole step of a layer too small to matter.</summary>
[MemoryDiagnoser]
[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet derives from the class and calls its global cleanup, which disposes them.")]
public class HostBenchmarks
{
    private const int Features = 512;
    private Device device = null!;
    private Tensor weight = null!;
    private Tensor x = null!;
    private Tensor y = null!;
    private Tensor dx = null!;
    private AdaptedLinear layer = null!;
    private LayerContext context = null!;

    /// <summary>The first GPU, or the CPU where there is none.</summary>
    [GlobalSetup]
    public void Prepare()
    {
        try
        {
            device = CudaDevice.Open();
        }
        catch (DeviceUnavailableException)
        {
            device = CpuDevice.Shared;
        }

        DType dtype = device.Kind == DeviceKind.Cuda ? DType.BFloat16 : DType.Float32;
        weight = device.Allocate(dtype, Features, Features);
        x = device.Allocate(dtype, 1, Features);
        y = device.Allocate(dtype, 1, Features);
        dx = device.Allocate(dtype, 1, Features);
        Array.ForEach([weight, x, y], tensor => tensor.Clear());
        layer = new AdaptedLinear(device, weight, null, TeraUpdate.Propose(Features, Features));
        context = new LayerContext();
    }

    /// <summary>Submits a forward; on a GPU the queue is drained every so often by the driver itself.</summary>
    [Benchmark]
    public void Forward() => layer.Forward(x, y, context);

    /// <summary>Submits a forward and a backward.</summary>
    [Benchmark]
    public void Step()
    {
        layer.Forward(x, y, context);
        layer.Backward(context, x, y, dx);
    }

    /// <summary>Gives everything back.</summary>
    [GlobalCleanup]
    public void Release()
    {
        device.Synchronize();
        Array.ForEach([context, layer, x, y, dx, (IDisposable)weight], item => item.Dispose());
    }
}
