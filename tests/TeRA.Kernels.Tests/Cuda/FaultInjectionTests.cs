using System.Reflection;
using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>Every imported function of the driver fails once at each of its calls: the right error, no leak, no hang.</summary>
[TestFixture]
internal sealed class FaultInjectionTests
{
    private const CudaResult Survivable = (CudaResult)999;

    // Releasing never throws.
    private static readonly HashSet<string> Silent =
    [
        "cuMemFree_v2", "cuMemFreeHost", "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuGraphDestroy", "cuGraphExecDestroy", "cuModuleUnload",
        "cuDevicePrimaryCtxRelease_v2",
    ];

    private string folder = "";
    private CudaOptions options = CudaOptions.Default;

    private static IEnumerable<string> Functions => typeof(DriverTable)
        .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Select(method => method.Name).Order(StringComparer.Ordinal);

    private static IEnumerable<string> FunctionsOfTheScenario => Functions.Where(name => !name.StartsWith("cuGetError", StringComparison.Ordinal));

    [OneTimeSetUp]
    public void PrepareKernels()
    {
        folder = Directory.CreateTempSubdirectory("tera-faults-").FullName;
        options = DriverScenario.Options(folder);
    }

    [OneTimeTearDown]
    public void RemoveKernels() => Directory.Delete(folder, recursive: true);

    [SetUp]
    public void NoContextIsCurrent() => FakeDriver.Current = 0;

    [Test]
    public void Without_a_fault_everything_works_and_nothing_is_left()
    {
        var driver = new FakeDriver();
        Assert.That(DriverScenario.Run(driver, options), Is.EqualTo(new float[] { 1, 2, 3, 4 }));
        AssertNothingIsLeft(driver);
        Assert.That(driver.Launches.Select(launch => launch.What), Is.EqualTo(new[] { "kernel", "graph" }));
    }

    [Test]
    public void The_scenario_calls_every_imported_function()
    {
        var driver = new FakeDriver();
        DriverScenario.Run(driver, options);
        Assert.That(FunctionsOfTheScenario.Except(driver.Calls.Keys), Is.Empty);
        Assert.That(Functions.Count(), Is.GreaterThan(40));
    }

    [TestCaseSource(nameof(FunctionsOfTheScenario))]
    [CancelAfter(30_000)]
    public void A_failing_call_is_reported_by_name_and_code_and_leaks_nothing(string function)
    {
        int calls = Calls(function);
        int thrown = 0;
        for (int occurrence = 1; occurrence <= calls; occurrence++)
        {
            FakeDriver.Current = 0;
            var driver = new FakeDriver { FailingCall = function, FailingOccurrence = occurrence, FailingResult = Survivable };
            Exception? error = Capture(() => DriverScenario.Run(driver, options));
            if (error is not null)
            {
                thrown++;
                AssertNames(error, function, Survivable);
            }

            AssertOnlyTheFailedReleaseIsLeft(driver, function, error);
        }

        Assert.That(thrown, Silent.Contains(function) ? Is.Zero : Is.GreaterThan(0), "calls that threw");
        if (!Silent.Contains(function) && !function.StartsWith("cuCtx", StringComparison.Ordinal))
        {
            Assert.That(thrown, Is.EqualTo(calls), "every call whose failure is not told");
        }
    }

    [TestCaseSource(nameof(FunctionsOfTheScenario))]
    [CancelAfter(30_000)]
    public void After_a_fatal_error_every_call_tells_the_first_one_and_disposal_leaves_the_driver_alone(string function)
    {
        int calls = Calls(function);
        for (int occurrence = 1; occurrence <= calls; occurrence++)
        {
            FakeDriver.Current = 0;
            var driver = new FakeDriver { FailingCall = function, FailingOccurrence = occurrence, FailingResult = CudaResult.IllegalAddress };
            Exception? error = Capture(() => DriverScenario.Run(driver, options));
            if (error is DeviceUnavailableException)
            {
                Assert.That(function, Is.EqualTo("cuInit"));
                continue;
            }

            // The last calls of all release things: nothing is left to tell it.
            Assert.That(error, Is.Null.Or.TypeOf<DeviceLostException>());
            if (error is not null)
            {
                var first = (CudaException)error.InnerException!;
                Assert.That((first.Call, first.Code), Is.EqualTo((function, 700)));
                Assert.That(driver.CallsAfterLoss, Is.Zero, "calls to a driver that is lost");
            }
        }
    }

    [TestCase(700)]
    [TestCase(702)]
    [TestCase(709)]
    [TestCase(710)]
    [TestCase(714)]
    [TestCase(715)]
    [TestCase(716)]
    [TestCase(717)]
    [TestCase(718)]
    [TestCase(719)]
    public void A_fatal_code_costs_the_context_and_nothing_else(int code)
    {
        var driver = new FakeDriver { FailingCall = "cuMemsetD8Async", FailingResult = (CudaResult)code };
        CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options);
        Tensor tensor = device.From<float>([1, 2], 2);
        CudaStream stream = device.CreateStream();
        var first = Assert.Throws<DeviceLostException>(() => tensor.Clear());
        int before = driver.CallsAfterLoss;
        var second = Assert.Throws<DeviceLostException>(() => tensor.ToArray<float>());
        var third = Assert.Throws<DeviceLostException>(() => device.Allocate(DType.Float32, 3));
        Assert.That(second!.InnerException, Is.SameAs(first!.InnerException));
        Assert.That(third!.Message, Is.EqualTo(first.Message).And.Contains("cuMemsetD8Async").And.Contains("new one"));
        stream.Dispose();
        tensor.Dispose();
        device.Dispose();
        Assert.That(driver.CallsAfterLoss, Is.EqualTo(before), "calls to a driver that is lost");
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(200)]
    [TestCase(209)]
    [TestCase(222)]
    [TestCase(500)]
    [TestCase(701)]
    public void Other_codes_leave_the_device_usable(int code)
    {
        var driver = new FakeDriver { FailingCall = "cuMemsetD8Async", FailingResult = (CudaResult)code };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options);
        using Tensor tensor = device.From<float>([1, 2], 2);
        var error = Assert.Throws<CudaException>(() => tensor.Clear());
        Assert.That((error!.Call, error.Code, error.Name), Is.EqualTo(("cuMemsetD8Async", code, "CUDA_ERROR_FAKE")));
        tensor.Clear();
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 0, 0 }));
    }

    [Test]
    public void A_fault_of_a_release_is_told_by_the_next_call()
    {
        var driver = new FakeDriver { FailingCall = "cuMemFree_v2", FailingResult = CudaResult.LaunchFailed };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options);
        device.From<float>([1], 1).Dispose();
        var error = Assert.Throws<DeviceLostException>(() => device.Synchronize());
        Assert.That(((CudaException)error!.InnerException!).Call, Is.EqualTo("cuMemFree_v2"));
    }

    [Test]
    public void One_refusal_of_memory_is_retried()
    {
        var driver = new FakeDriver { FailingCall = "cuMemAlloc_v2", FailingResult = CudaResult.OutOfMemory };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options);
        using Tensor tensor = device.From<float>([1, 2], 2);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 2 }));
    }

    [Test]
    public void Running_out_of_memory_says_how_much_was_asked_for_and_is_free()
    {
        var driver = new FakeDriver { FailingCall = "cuMemAlloc_v2", FailingOccurrence = 0, FailingResult = CudaResult.OutOfMemory };
        using (CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options))
        {
            var error = Assert.Throws<CudaException>(() => device.Allocate(DType.Float32, 1000));
            Assert.That(error!.Code, Is.EqualTo(2));
            Assert.That(error.Message, Does.Contain("4000 bytes").And.Contain($"{3 << 20} of {80 << 20}"));
        }

        AssertNothingIsLeft(driver);
    }

    [TestCase("cuGetErrorName")]
    [TestCase("cuGetErrorString")]
    public void A_driver_without_words_still_gives_call_and_code(string function)
    {
        // An invalid handle fails by itself; the planned fault is that of the question about its text.
        var driver = new FakeDriver { FailingCall = function, FailingOccurrence = 0 };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, options);
        var error = Assert.Throws<CudaException>(() => device.Synchronize(new StreamHandle(0x999)));
        Assert.That((error!.Call, error.Code), Is.EqualTo(("cuStreamSynchronize", 400)));
    }

    private static TeraException? Capture(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (TeraException error)
        {
            return error;
        }
    }

    private static void AssertNames(Exception error, string function, CudaResult code)
    {
        var cuda = (error as CudaException) ?? error.InnerException as CudaException;
        Assert.That(error, function == "cuInit" ? Is.TypeOf<DeviceUnavailableException>() : Is.TypeOf<CudaException>());
        Assert.That((cuda!.Call, cuda.Code), Is.EqualTo((function, (int)code)));
        Assert.That(error.Message, Does.Contain(function).And.Contain("a fault of the test"));
    }

    private static void AssertNothingIsLeft(FakeDriver driver)
    {
        Assert.That(driver.Alive, Is.Empty, "objects left in the driver");
        Assert.That(driver.Retained, Is.Zero, "references to the primary context");
    }

    private static void AssertOnlyTheFailedReleaseIsLeft(FakeDriver driver, string function, Exception? error)
    {
        // A release that the driver itself refuses is the one thing that may stay behind.
        bool refused = error is null && (function.StartsWith("cuCtx", StringComparison.Ordinal) || Silent.Contains(function));
        Assert.That(driver.Alive, Has.Count.LessThanOrEqualTo(refused ? 1 : 0), "objects left in the driver");
        Assert.That(driver.Retained, Is.EqualTo(function == "cuDevicePrimaryCtxRelease_v2" ? 1 : 0), "references to the primary context");
    }

    private int Calls(string function)
    {
        var driver = new FakeDriver();
        DriverScenario.Run(driver, options);
        FakeDriver.Current = 0;
        return driver.Calls[function];
    }
}
