using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>Everything the library does with a driver, once: the ground on which single calls are made to fail.</summary>
internal static class DriverScenario
{
    /// <summary>Options under which kernels come ready-made from a folder, so that neither NVRTC nor a GPU is needed.</summary>
    public static CudaOptions Options(string folder)
    {
        Directory.CreateDirectory(folder);
        string name = KernelCompiler.AheadOfTimeKey(KernelSources.Embedded, Probe.Scale, "sm_90a").FileName;
        File.WriteAllBytes(Path.Combine(folder, name), [1, 2, 3]);
        return new CudaOptions { CubinDirectory = folder, NvrtcPath = Path.Combine(folder, "no-nvrtc-here"), DisableCache = true };
    }

    /// <summary>Runs it all on a fresh device.</summary>
    /// <returns>What the device gave back of what was written to it.</returns>
    public static float[] Run(FakeDriver driver, CudaOptions options)
    {
        CudaRuntime runtime = driver.Runtime;
        _ = runtime.Version();
        using CudaDevice device = CudaDevice.Open(runtime, 0, options);
        _ = device.Memory;
        using Tensor first = device.From<float>([1, 2, 3, 4], 4);
        using Tensor second = device.Allocate(DType.Float32, 4);
        device.CopyWithin(second.Address, first.Address, first.ByteCount, default);
        first.Clear();
        using CudaHostBuffer host = device.AllocateHost(64);
        host.CopyFrom(second);
        device.Synchronize();
        host.CopyTo(first);
        LaunchKernel(device, first, second);
        _ = new TensorMapSource(device.Context, DType.BFloat16, (64, 64, 0), (64, 64, 0)).At(first.Address);
        using CudaStream stream = device.CreateStream();
        Time(device, stream);
        Capture(stream, first);
        return second.ToArray<float>();
    }

    private static void LaunchKernel(CudaDevice device, Tensor first, Tensor second)
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        kernel.AllowSharedMemory(100_000);
        _ = kernel.MaxBlocksPerProcessor(128, 0);
        var arguments = new ProbeArguments { Input = first.Address, Output = second.Address, Count = 4, Factor = 1 };
        kernel.Launch(arguments, (1, 1, 1), 128, 0, default);
    }

    private static void Time(CudaDevice device, CudaStream stream)
    {
        using CudaEvent start = device.CreateEvent();
        using CudaEvent end = device.CreateEvent();
        start.Record(stream);
        end.Record(stream);
        stream.WaitFor(end);
        end.Synchronize();
        _ = end.SecondsSince(start);
    }

    private static void Capture(CudaStream stream, Tensor tensor)
    {
        stream.BeginCapture();
        tensor.Clear(stream);
        using CudaGraph graph = stream.EndCapture();
        graph.Launch(stream);
        stream.Synchronize();
    }
}
