using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The device on a real GPU.</summary>
[TestFixture]
[Category("Gpu")]
internal sealed class CudaDeviceGpuTests
{
    private const string TrapVariable = "TERA_TEST_TRAP";

    private CudaDevice device = null!;

    [SetUp]
    public void Open() => device = Gpu.Require();

    [TearDown]
    public void Close() => device?.Dispose();

    [Test]
    public void Values_survive_the_way_there_and_back()
    {
        float[] values = [.. Enumerable.Range(0, 1_000_003).Select(i => i * 0.5f)];
        using Tensor tensor = device.From<float>(values, values.Length);
        using Tensor copy = device.Allocate(DType.Float32, values.Length);
        device.CopyWithin(copy.Address, tensor.Address, tensor.ByteCount, default);
        tensor.Clear();
        Assert.That(copy.ToArray<float>(), Is.EqualTo(values));
        Assert.That(tensor.ToArray<float>(), Is.All.Zero);
        Assert.That((long)tensor.Address % 256, Is.Zero);
    }

    [Test]
    public void The_device_and_the_host_agree_on_the_layout_of_arguments()
    {
        using Tensor output = device.Allocate(DType.Float32, 6);
        device.Kernels.Load(Probe.Layout).Launch(new ProbeArguments { Output = output.Address }, (1, 1, 1), 32, 0, default);
        Assert.That(output.ToArray<float>(), Is.EqualTo(new float[] { 32, 0, 8, 16, 24, 28 }));
    }

    [Test]
    public void A_kernel_computes_and_tells_its_attributes()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        AssertScales(kernel, default);
        Assert.That(kernel.Registers, Is.InRange(1, 64));
        Assert.That(kernel.LocalBytes, Is.Zero);
        Assert.That(kernel.MaxThreadsPerBlock, Is.EqualTo(1024));
        Assert.That(kernel.MaxBlocksPerProcessor(256, 0), Is.InRange(1, 32));
        Assert.That(kernel.ArgumentBytes, Is.Zero.Or.EqualTo(32));
        kernel.AllowSharedMemory(device.Traits.SharedMemoryBytes);
        Assert.Throws<CudaException>(() => kernel.AllowSharedMemory(device.Traits.SharedMemoryBytes + 4096));
    }

    [Test]
    public void The_default_streams_and_external_handles_are_taken()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        AssertScales(kernel, StreamHandle.Legacy);
        AssertScales(kernel, StreamHandle.PerThread);
        using CudaStream owner = device.CreateStream();
        using CudaStream external = CudaStream.FromHandle(device, owner.Handle);
        AssertScales(kernel, external);
    }

    [Test]
    public void A_graph_replays_with_changed_inputs()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        using CudaStream stream = device.CreateStream();
        using CudaHostBuffer host = device.AllocateHost(16);
        using Tensor input = device.Allocate(DType.Float32, 4);
        using Tensor output = device.Allocate(DType.Float32, 4);
        var arguments = new ProbeArguments { Input = input.Address, Output = output.Address, Count = 4, Factor = 3 };
        stream.BeginCapture();
        host.CopyTo(input, stream);
        kernel.Launch(arguments, (1, 1, 1), 32, 0, stream);
        host.CopyFrom(output, stream);
        using CudaGraph graph = stream.EndCapture();
        Assert.That(graph.NodeCount, Is.EqualTo(3));
        for (int round = 1; round <= 3; round++)
        {
            new float[] { round, 2 * round, -round, 0 }.CopyTo(host.Span<float>());
            graph.Launch(stream);
            stream.Synchronize();
            Assert.That(host.Span<float>().ToArray(), Is.EqualTo(new float[] { 3 * round, 6 * round, -3 * round, 0 }));
        }
    }

    [Test]
    public void What_cannot_be_captured_is_refused_and_the_stream_recovers()
    {
        using CudaStream stream = device.CreateStream();
        using Tensor tensor = device.Allocate(DType.Float32, 4);
        stream.BeginCapture();
        Assert.Throws<InvalidOperationException>(() => tensor.CopyFrom<float>([1, 2, 3, 4], stream));
        stream.EndCapture().Dispose();
        tensor.CopyFrom<float>([1, 2, 3, 4], stream);
        Assert.That(tensor.ToArray<float>(stream), Is.EqualTo(new float[] { 1, 2, 3, 4 }));
    }

    [Test]
    public void Events_order_streams_and_measure_time()
    {
        using CudaStream first = device.CreateStream();
        using CudaStream second = device.CreateStream();
        using CudaEvent start = device.CreateEvent();
        using CudaEvent end = device.CreateEvent();
        using Tensor big = device.Allocate(DType.Float32, 64 << 20);
        start.Record(first);
        big.Clear(first);
        end.Record(first);
        second.WaitFor(end);
        second.Synchronize();
        Assert.That(end.SecondsSince(start), Is.InRange(1e-6, 1));
    }

    [Test]
    public void Asking_for_too_much_memory_leaves_the_device_usable()
    {
        long tooMuch = device.Memory.Total;
        var error = Assert.Throws<CudaException>(() => device.Allocate(DType.Float32, tooMuch));
        Assert.That((error!.Code, error.Name), Is.EqualTo((2, "CUDA_ERROR_OUT_OF_MEMORY")));
        AssertScales(device.Kernels.Load(Probe.Scale), default);
    }

    [Test]
    public void Memory_comes_back()
    {
        device.Allocate(DType.Float32, 1).Dispose();
        long before = device.Memory.Free;
        for (int i = 0; i < 1000; i++)
        {
            device.Allocate(DType.Float32, 16 << 20).Dispose();
        }

        Assert.That(device.Memory.Free, Is.EqualTo(before).Within(256L << 20), "64 MiB a thousand times");
    }

    [Test]
    public void Launching_from_many_threads_works()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 16 }, _ =>
        {
            using CudaStream stream = device.CreateStream();
            AssertScales(kernel, stream);
        });
    }

    [Test]
    public void Launching_allocates_nothing()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        LaunchOften(kernel);
        long before = GC.GetAllocatedBytesForCurrentThread();
        LaunchOften(kernel);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        device.Synchronize();
    }

    /// <summary>Alone it computes; started by <see cref="A_fault_on_the_device_is_told_by_every_later_call"/> it faults, which costs the process its device.</summary>
    [Test]
    public void A_probe_computes_or_faults_as_the_parent_asks()
    {
        if (Environment.GetEnvironmentVariable(TrapVariable) is null)
        {
            AssertScales(device.Kernels.Load(Probe.Scale), default);
            return;
        }

        Tensor tensor = device.From<float>([1, 2], 2);
        CudaStream stream = device.CreateStream();
        device.Kernels.Load(Probe.Trap).Launch(new ProbeArguments { Count = 1 }, (1, 1, 1), 32, 0, stream);
        var first = Assert.Throws<DeviceLostException>(stream.Synchronize);
        var second = Assert.Throws<DeviceLostException>(() => tensor.ToArray<float>());
        var third = Assert.Throws<DeviceLostException>(() => device.Allocate(DType.Float32, 4));
        Assert.That(second!.InnerException, Is.SameAs(first!.InnerException).And.SameAs(third!.InnerException));
        Assert.That(((CudaException)first.InnerException!).Code, Is.EqualTo(715).Or.EqualTo(719));
        tensor.Dispose();
        stream.Dispose();
        device.Dispose();
    }

    [Test]
    [CancelAfter(60_000)]
    public void A_fault_on_the_device_is_told_by_every_later_call()
    {
        (int exitCode, string output) = ChildProcess.Start(nameof(A_probe_computes_or_faults_as_the_parent_asks), (TrapVariable, "1")).Wait(TimeSpan.FromSeconds(50));
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(output, Does.Match(@"succeeded: 1\b"));
        AssertScales(device.Kernels.Load(Probe.Scale), default);
    }

    private static void LaunchOften(CudaKernel kernel)
    {
        for (int i = 0; i < 100; i++)
        {
            kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, default);
        }
    }

    private void AssertScales(CudaKernel kernel, StreamHandle stream)
    {
        using Tensor input = device.From<float>([1, 2, 3, 4, 5], 5);
        using Tensor output = device.Allocate(DType.Float32, 5);
        var arguments = new ProbeArguments { Input = input.Address, Output = output.Address, Count = 5, Factor = 2 };
        kernel.Launch(arguments, (1, 1, 1), 128, 0, stream);
        Assert.That(output.ToArray<float>(stream), Is.EqualTo(new float[] { 2, 4, 6, 8, 10 }));
    }
}
