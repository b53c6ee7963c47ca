using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks;

/// <summary>The same on a GPU, with the floor beside it: one kernel launch, and the replay of the whole step as a CUDA graph.</summary>
[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet derives from the class and calls its global cleanup, which disposes them.")]
public class LaunchBenchmarks : HostBenchmarks
{
    private readonly nint[] addresses = [0, 0];
    private CompiledStep kernel = null!;
    private Tensor number = null!;
    private CudaStream stream = null!;
    private CudaGraph graph = null!;

    /// <inheritdoc/>
    public override void Prepare()
    {
        base.Prepare();
        var device = (CudaDevice)Device;
        number = device.Allocate(DType.Float32, 1);
        kernel = device.Compile(new FillRandomStep(new Operand(1, DType.Float32), new CoreSource(new RandomSource(1, Distribution.Normal), 0, 1, 1)) { Label = "launch" });
        addresses[1] = number.Address;
        stream = device.CreateStream();
        SubmitStep(stream);
        stream.Synchronize();
        stream.BeginCapture();
        SubmitStep(stream);
        graph = stream.EndCapture();
    }

    /// <summary>Submits one kernel.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void Launch()
    {
        for (int i = 0; i < Calls; i++)
        {
            kernel.Run(addresses, default);
        }
    }

    /// <summary>Submits a captured forward and backward.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void GraphReplay()
    {
        for (int i = 0; i < Calls; i++)
        {
            graph.Launch();
        }
    }

    /// <inheritdoc/>
    public override void Release()
    {
        Device.Synchronize();
        graph.Dispose();
        stream.Dispose();
        number.Dispose();
        base.Release();
    }
}
