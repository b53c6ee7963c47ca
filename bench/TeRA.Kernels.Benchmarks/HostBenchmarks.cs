using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;

namespace TeRA.Kernels.Benchmarks;

/// <summary>
/// What calls cost the host: nanoseconds and managed bytes of submitting the passes of a small layer. On the CPU device the computation is in it; on a GPU
/// a bounded number of calls is submitted between two synchronisations that are not timed, so that no call waits for room in the driver's queue.
/// </summary>
[MemoryDiagnoser]
[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet derives from the class and calls its global cleanup, which disposes them.")]
public class HostBenchmarks
{
    /// <summary>Calls between two synchronisations: some 20 launches each stay below the driver's 1024.</summary>
    protected const int Calls = 32;

    private const int Features = 512;

    private Tensor weight = null!;
    private Tensor x = null!;
    private Tensor y = null!;
    private Tensor dx = null!;
    private AdaptedLinear layer = null!;
    private LayerContext context = null!;

    /// <summary>The first GPU, or the CPU where there is none.</summary>
    protected Device Device { get; private set; } = null!;

    /// <summary>Makes a layer and runs it once, which plans, compiles and allocates.</summary>
    [GlobalSetup]
    public virtual void Prepare()
    {
        Device = Device.Open("auto");
        DType dtype = Device.Kind == DeviceKind.Cuda ? DType.BFloat16 : DType.Float32;
        weight = Device.Allocate(dtype, Features, Features);
        x = Device.Allocate(dtype, 1, Features);
        y = Device.Allocate(dtype, 1, Features);
        dx = Device.Allocate(dtype, 1, Features);
        Array.ForEach([weight, x, y], tensor => tensor.Clear());
        layer = new AdaptedLinear(Device, weight, null, TeraUpdate.Propose(Features, Features));
        context = new LayerContext();
        SubmitStep(default);
    }

    /// <summary>Empties the queue.</summary>
    [IterationSetup, IterationCleanup]
    public void Synchronize() => Device.Synchronize();

    /// <summary>Submits a forward.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void Forward()
    {
        for (int i = 0; i < Calls; i++)
        {
            layer.Forward(x, y, context);
        }
    }

    /// <summary>Submits a backward.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void Backward()
    {
        for (int i = 0; i < Calls; i++)
        {
            layer.Backward(context, x, y, dx);
        }
    }

    /// <summary>Submits a forward and a backward.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void Step()
    {
        for (int i = 0; i < Calls; i++)
        {
            SubmitStep(default);
        }
    }

    /// <summary>Gives everything back.</summary>
    [GlobalCleanup]
    public virtual void Release()
    {
        Device.Synchronize();
        Array.ForEach([context, layer, x, y, dx, (IDisposable)weight], item => item.Dispose());
        Device.Dispose();
    }

    /// <summary>A forward and a backward.</summary>
    protected void SubmitStep(StreamHandle stream)
    {
        layer.Forward(x, y, context, stream);
        layer.Backward(context, x, y, dx, stream);
    }
}
