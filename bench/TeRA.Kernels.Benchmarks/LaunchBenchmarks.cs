using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks;

/// <summary>
/// The same on a GPU, with the floors beside it: one kernel launch, the driver's own call for that launch, and the replay of the whole step as a CUDA graph.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet derives from the class and calls its global cleanup, which disposes them.")]
public unsafe class LaunchBenchmarks : HostBenchmarks
{
    private const uint Threads = 256;

    private readonly nint[] addresses = [0, 0];
    private CompiledStep kernel = null!;
    private Tensor number = null!;
    private CudaStream stream = null!;
    private CudaGraph graph = null!;
    private readonly KernelRequest request = FillRandomLauncher.Variants.First();
    private CudaKernel bare = null!;
    private nint defaultStream;

    /// <inheritdoc/>
    public override void Prepare()
    {
        base.Prepare();
        var device = (CudaDevice)Device;
        number = device.Allocate(DType.Float32, 1);
        kernel = device.Compile(new FillRandomStep(new Operand(1, DType.Float32), new CoreSource(new RandomSource(1, Distribution.Normal), 0, 1, 1)) { Label = "launch" });
        addresses[1] = number.Address;
        bare = device.Kernels.Load(request);
        defaultStream = device.DefaultStream.Value;
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

    /// <summary>Submits the same kernel, with nothing to write, by the driver's function itself.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void Driver()
    {
        DriverTable driver = ((CudaDevice)Device).Context.Driver;
        byte* arguments = stackalloc byte[request.ArgumentBytes];
        new Span<byte>(arguments, request.ArgumentBytes).Clear();
        var overlap = new LaunchAttribute { Id = LaunchAttribute.ProgrammaticStreamSerialization, Value = 1 };
        var config = new LaunchConfig
        {
            GridX = 1, GridY = 1, GridZ = 1, BlockX = Threads, BlockY = 1, BlockZ = 1, Stream = defaultStream, Attributes = &overlap, AttributeCount = 1,
        };
        void* pointer = arguments;
        for (int i = 0; i < Calls; i++)
        {
            driver.cuLaunchKernelEx(&config, bare.Function, &pointer, null);
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
