using NUnit.Framework;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>Disposal from any thread in any order, on a driver that knows what is alive.</summary>
[TestFixture]
internal sealed class LifetimeTests
{
    private static readonly CudaOptions Options = new() { DisableCache = true };

    [SetUp]
    public void NoContextIsCurrent() => FakeDriver.Current = 0;

    [Test]
    public void The_context_outlives_the_device_until_the_last_object_is_gone()
    {
        var driver = new FakeDriver();
        CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
        Tensor tensor = device.From<float>([1], 1);
        CudaStream stream = device.CreateStream();
        device.Dispose();
        Assert.That(driver.Retained, Is.EqualTo(1));
        stream.Dispose();
        Assert.That(driver.Retained, Is.EqualTo(1));
        tensor.Dispose();
        Assert.That(driver.Retained, Is.Zero);
        Assert.That(driver.Alive, Is.Empty);
    }

    [Test]
    public void A_disposed_device_refuses_work_and_disposing_twice_is_nothing()
    {
        var driver = new FakeDriver();
        CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
        Tensor tensor = device.From<float>([1], 1);
        device.Dispose();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(DType.Float32, 1));
        Assert.Throws<ObjectDisposedException>(() => tensor.ToArray<float>());
        Assert.Throws<ObjectDisposedException>(() => device.CreateStream());
        tensor.Dispose();
        tensor.Dispose();
        Assert.That(driver.Retained, Is.Zero);
        Assert.That(driver.Calls["cuMemFree_v2"], Is.EqualTo(1));
    }

    [Test]
    public void Disposed_objects_throw_and_never_hand_out_zero()
    {
        var driver = new FakeDriver();
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
        CudaStream stream = device.CreateStream();
        CudaEvent mark = device.CreateEvent();
        CudaHostBuffer host = device.AllocateHost(8);
        using Tensor tensor = device.Allocate(DType.Float32, 2);
        stream.BeginCapture();
        CudaGraph graph = stream.EndCapture();
        graph.Dispose();
        host.Dispose();
        mark.Dispose();
        stream.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _ = stream.Handle);
        Assert.Throws<ObjectDisposedException>(() => stream.BeginCapture());
        Assert.Throws<ObjectDisposedException>(() => mark.Record());
        Assert.Throws<ObjectDisposedException>(() => host.CopyTo(tensor));
        Assert.Throws<ObjectDisposedException>(() => host.Span<byte>());
        Assert.Throws<ObjectDisposedException>(() => graph.Launch());
    }

    [Test]
    public void Another_librarys_context_is_put_back_after_each_call()
    {
        var driver = new FakeDriver();
        FakeDriver.Current = 0xBEEF;
        using (CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options))
        {
            using Tensor tensor = device.From<float>([1, 2, 3], 3);
            Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 2, 3 }));
            Assert.That(FakeDriver.Current, Is.EqualTo((nint)0xBEEF));
        }

        Assert.That(FakeDriver.Current, Is.EqualTo((nint)0xBEEF));
        Assert.That(driver.Retained, Is.Zero);
    }

    [Test]
    public void After_the_last_release_the_context_is_no_longer_current()
    {
        var driver = new FakeDriver();
        CudaDevice.Open(driver.Runtime, 0, Options).Dispose();
        Assert.That(FakeDriver.Current, Is.EqualTo((nint)0));
    }

    [Test]
    public void Two_devices_share_the_primary_context()
    {
        var driver = new FakeDriver();
        CudaDevice first = CudaDevice.Open(driver.Runtime, 0, Options);
        using CudaDevice second = CudaDevice.Open(driver.Runtime, 0, Options);
        Assert.That(driver.Retained, Is.EqualTo(2));
        first.Dispose();
        using Tensor tensor = second.From<float>([5], 1);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 5 }));
    }

    [Test]
    [CancelAfter(120_000)]
    public void Sixty_four_threads_create_use_and_dispose()
    {
        const int Threads = 64;
        const int Rounds = 10_000;
        var driver = new FakeDriver();
        using (CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options))
        {
            RunThreads(Threads, seed => UseObjects(device, new Random(seed), Rounds));
        }

        Assert.That(driver.Alive, Is.Empty);
        Assert.That(driver.Retained, Is.Zero);
    }

    [Test]
    [CancelAfter(120_000)]
    public void The_device_may_go_while_threads_work()
    {
        for (int round = 0; round < 50; round++)
        {
            var driver = new FakeDriver();
            CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
            RunThreads(9, seed =>
            {
                if (seed == 8)
                {
                    Thread.Sleep(1);
                    device.Dispose();
                    return;
                }

                Assert.Throws<ObjectDisposedException>(() => UseObjects(device, new Random(seed), int.MaxValue));
            });
            Assert.That(driver.Alive, Is.Empty);
            Assert.That(driver.Retained, Is.Zero);
        }
    }

    [Test]
    [CancelAfter(60_000)]
    public void Objects_disposed_by_many_threads_at_once_are_released_once()
    {
        var driver = new FakeDriver();
        CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
        Tensor[] tensors = [.. Enumerable.Range(0, 1000).Select(_ => device.Allocate(DType.Float32, 4))];
        RunThreads(16, seed =>
        {
            var random = new Random(seed);
            foreach (int index in Enumerable.Range(0, tensors.Length).OrderBy(_ => random.Next()))
            {
                tensors[index].Dispose();
            }

            device.Dispose();
        });
        Assert.That(driver.Calls["cuMemFree_v2"], Is.EqualTo(1000));
        Assert.That(driver.Retained, Is.Zero);
    }

    [Test]
    [CancelAfter(60_000)]
    public void What_nobody_disposes_the_finaliser_releases()
    {
        var driver = new FakeDriver();
        Abandon(driver);
        for (int i = 0; i < 20 && driver.Retained > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(driver.Alive, Is.Empty);
        Assert.That(driver.Retained, Is.Zero);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Abandon(FakeDriver driver)
    {
        CudaDevice device = CudaDevice.Open(driver.Runtime, 0, Options);
        for (int i = 0; i < 100; i++)
        {
            device.From<float>([1, 2], 2);
            device.CreateStream();
            device.CreateEvent();
        }
    }

    private static void UseObjects(CudaDevice device, Random random, int rounds)
    {
        var values = new float[] { 1, 2, 3 };
        for (int i = 0; i < rounds; i++)
        {
            switch (random.Next(4))
            {
                case 0:
                    using (Tensor tensor = device.From<float>(values, 3))
                    {
                        tensor.CopyTo<float>(values);
                    }

                    break;
                case 1:
                    using (CudaStream stream = device.CreateStream())
                    {
                        stream.Synchronize();
                    }

                    break;
                case 2:
                    using (CudaEvent mark = device.CreateEvent())
                    {
                        mark.Record();
                    }

                    break;
                default:
                    device.AllocateHost(16).Dispose();
                    break;
            }
        }
    }

    private static void RunThreads(int count, Action<int> body)
    {
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, count).Select(seed => new Thread(() =>
        {
            try
            {
                body(seed);
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref failure, error, null);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.That(failure, Is.Null, failure?.ToString());
    }
}
