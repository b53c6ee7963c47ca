using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>What the CUDA device refuses before the driver sees it, and the layouts it shares with the driver.</summary>
[TestFixture]
internal sealed class ErrorInputTests
{
    private string folder = "";
    private FakeDriver driver = new();
    private CudaDevice device = null!;

    [SetUp]
    public void Open()
    {
        FakeDriver.Current = 0;
        folder = Directory.CreateTempSubdirectory("tera-errors-").FullName;
        driver = new FakeDriver();
        device = CudaDevice.Open(driver.Runtime, 0, DriverScenario.Options(folder));
    }

    [TearDown]
    public void Close()
    {
        device.Dispose();
        Directory.Delete(folder, recursive: true);
        Assert.That(driver.Retained, Is.Zero);
    }

    [Test]
    public void Double_precision_is_refused()
    {
        Assert.That(() => device.Allocate(DType.Float64, 1), Throws.ArgumentException.With.Message.Contains("cuda:0 has no float64"));
        Assert.That(driver.Calls.ContainsKey("cuMemAlloc_v2"), Is.False);
    }

    [Test]
    public void Nothing_is_allocated_copied_or_launched_for_empty_tensors()
    {
        using Tensor empty = device.From<float>([], 0, 5);
        empty.Clear();
        device.CopyWithin(0, 0, 0, default);
        Assert.That(empty.ToArray<float>(), Is.Empty);
        device.Kernels.Load(Probe.Scale).Launch(default(ProbeArguments), (0, 1, 1), 32, 0, default);
        Assert.That(driver.Calls.Keys, Has.None.Matches<string>(name =>
            name.Contains("Mem", StringComparison.Ordinal) && name != "cuDeviceTotalMem_v2"));
        Assert.That(driver.Launches, Is.Empty);
    }

    [Test]
    public void A_struct_of_the_wrong_size_is_refused_before_the_launch()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        var error = Assert.Throws<InvalidOperationException>(() => kernel.Launch(1L, (1, 1, 1), 32, 0, default));
        Assert.That(error!.Message, Does.Contain("probe_scale").And.Contain("32 bytes").And.Contain("Int64 has 8"));
        Assert.That(driver.Launches, Is.Empty);
    }

    [Test]
    public void Copies_of_ordinary_memory_are_refused_while_the_stream_is_captured()
    {
        using Tensor tensor = device.Allocate(DType.Float32, 2);
        using CudaHostBuffer host = device.AllocateHost(8);
        using CudaStream stream = device.CreateStream();
        stream.BeginCapture();
        Assert.That(stream.IsCapturing);
        Assert.That(() => tensor.CopyFrom<float>([1, 2], stream), Throws.InvalidOperationException.With.Message.Contains("CudaHostBuffer"));
        Assert.That(() => tensor.ToArray<float>(stream), Throws.InvalidOperationException);
        host.CopyTo(tensor, stream);
        using CudaGraph graph = stream.EndCapture();
        Assert.That(graph.NodeCount, Is.EqualTo(3));
        Assert.That(stream.IsCapturing, Is.False);
    }

    [Test]
    public void Host_buffers_check_device_and_size()
    {
        using CudaHostBuffer host = device.AllocateHost(8);
        using Tensor large = device.Allocate(DType.Float32, 3);
        using CudaDevice other = CudaDevice.Open(driver.Runtime, 0, CudaOptions.Default);
        using Tensor foreign = other.Allocate(DType.Float32, 1);
        Assert.That(() => host.CopyTo(large), Throws.ArgumentException.With.Message.Contains("12 bytes, the buffer 8"));
        Assert.That(() => host.CopyFrom(foreign), Throws.ArgumentException);
        Assert.That(() => device.AllocateHost(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => device.AllocateHost(1L << 40), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Stream_zero_is_the_devices_own_and_others_pass_through()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        using CudaStream external = CudaStream.FromHandle(device, StreamHandle.PerThread);
        kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, default);
        kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, external);
        kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, StreamHandle.Legacy);
        Assert.That(driver.Launches.Select(launch => launch.Stream), Is.EqualTo(new[] { device.DefaultStream.Value, 2, 1 }));
        Assert.That(device.DefaultStream.Value, Is.Not.Zero);
    }

    [Test]
    public void A_failed_launch_tells_kernel_grid_and_shared_memory()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        var error = Assert.Throws<CudaException>(() => kernel.Launch(default(ProbeArguments), (3, 2, 1), 64, 16, new StreamHandle(0x999)));
        Assert.That(error!.Message, Does.Contain("probe_scale").And.Contain("3×2×1").And.Contain("64 threads").And.Contain("16 bytes"));
    }

    [Test]
    public void Only_a_launch_that_may_overlap_carries_the_attribute_for_it()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, default);
        Assert.That(driver.LastAttributes, Is.Empty);
        kernel.Launch(default(ProbeArguments), (1, 1, 1), 32, 0, default, overlaps: true);
        Assert.That(driver.LastAttributes.Select(attribute => (attribute.Id, attribute.Value)), Is.EqualTo(new[] { (6, 1) }));
    }

    [Test]
    public void Launching_copying_within_and_filling_allocate_nothing()
    {
        CudaKernel kernel = device.Kernels.Load(Probe.Scale);
        using Tensor tensor = device.Allocate(DType.Float32, 4);
        driver.RecordsLaunches = false;
        long first = AllocatedBy(kernel, tensor);
        Assert.That(AllocatedBy(kernel, tensor), Is.Zero, $"bytes of 1000 rounds (of the first ones: {first})");
    }

    [Test]
    public void The_drivers_struct_has_the_drivers_layout()
    {
        // CUlaunchConfig of cuda.h: seven unsigned, then hStream at 32, attrs at 40, numAttrs at 48.
        Assert.That(Unsafe.SizeOf<LaunchConfig>(), Is.EqualTo(56));
        AssertOffsets<LaunchConfig>(
            ("GridX", 0), ("GridY", 4), ("GridZ", 8), ("BlockX", 12), ("BlockY", 16), ("BlockZ", 20), ("SharedBytes", 24),
            ("Stream", 32), ("Attributes", 40), ("AttributeCount", 48));

        // CUlaunchAttribute: the id, padding to 8, a union of 64 bytes.
        Assert.That(Unsafe.SizeOf<LaunchAttribute>(), Is.EqualTo(72));
        AssertOffsets<LaunchAttribute>(("Id", 0), ("Value", 8));
    }

    [Test]
    public void The_probes_struct_has_the_layout_that_C_gives_it()
    {
        Assert.That(Unsafe.SizeOf<ProbeArguments>(), Is.EqualTo(FakeDriver.ArgumentBytes));
        AssertOffsets<ProbeArguments>(("Input", 0), ("Output", 8), ("Count", 16), ("Factor", 24), ("Tag", 28));
    }

    private static long AllocatedBy(CudaKernel kernel, Tensor tensor)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            kernel.Launch(new ProbeArguments { Count = i }, (1, 1, 1), 32, 0, default);
            tensor.Device.CopyWithin(tensor.Address, tensor.Address, 8, default);
            tensor.Clear();
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void AssertOffsets<T>(params (string Field, int Offset)[] expected) =>
        Assert.That(expected.Select(field => (field.Field, (int)Marshal.OffsetOf<T>(field.Field))), Is.EqualTo(expected));
}
