using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>Where libraries are looked for, and what a user reads when they are not there.</summary>
[TestFixture]
internal sealed class LibrarySearchTests
{
    private const string Missing = "/no/such/folder/libnothing.so.1";

    [Test]
    public void An_option_beats_the_variable_and_both_are_final()
    {
        var options = new CudaOptions { NvrtcPath = "/option/libnvrtc.so", DriverPath = "/option/libcuda.so" };
        Assert.That(LibrarySearch.Nvrtc(options, _ => "/variable"), Is.EqualTo(new[] { "/option/libnvrtc.so" }));
        Assert.That(LibrarySearch.Driver(options, _ => "/variable"), Is.EqualTo(new[] { "/option/libcuda.so" }));
        Assert.That(LibrarySearch.Nvrtc(CudaOptions.Default, name => name == "TERA_NVRTC" ? "/variable" : null), Is.EqualTo(new[] { "/variable" }));
        Assert.That(LibrarySearch.Driver(CudaOptions.Default, name => name == "TERA_CUDA_DRIVER" ? "/variable" : null), Is.EqualTo(new[] { "/variable" }));
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "names of Linux")]
    public void A_folder_is_searched_newest_version_first()
    {
        string folder = Directory.CreateTempSubdirectory("tera-search-").FullName;
        try
        {
            var options = new CudaOptions { NvrtcPath = folder };
            Assert.That(
                LibrarySearch.Nvrtc(options, _ => null),
                Is.EqualTo(new[] { $"{folder}/libnvrtc.so.13", $"{folder}/libnvrtc.so.12", $"{folder}/libnvrtc.so" }));
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "names of Linux")]
    public void Toolkits_named_by_the_environment_come_before_the_loader_and_the_usual_folders()
    {
        string[] order = [.. LibrarySearch.Nvrtc(CudaOptions.Default, name => name switch { "CUDA_HOME" => "/home", "CUDA_PATH" => "/path", _ => null })];
        int home = Array.IndexOf(order, "/home/lib64/libnvrtc.so.13");
        int path = Array.IndexOf(order, "/path/lib64/libnvrtc.so.12");
        int loader = Array.IndexOf(order, "libnvrtc.so.13");
        int older = Array.IndexOf(order, "libnvrtc.so.12");
        int usual = Array.IndexOf(order, "/usr/local/cuda/lib64/libnvrtc.so.13");
        Assert.That(new[] { home, path, loader, older, usual }, Is.Ordered.And.All.GreaterThanOrEqualTo(0));
    }

    [Test]
    public void A_missing_driver_is_told_with_the_path_and_what_to_do()
    {
        var error = Assert.Throws<DeviceUnavailableException>(() => CudaDevice.Open(0, new CudaOptions { DriverPath = Missing }));
        Assert.That(error!.Message, Does.Contain(Missing + ": ").And.Contain("TERA_CUDA_DRIVER").And.Contain("CudaOptions.DriverPath"));
    }

    [Test]
    public void Every_path_tried_is_told_with_the_loaders_words()
    {
        LoadedLibrary library = LoadedLibrary.Load([Missing, "libnothing-else.so.7"]);
        Assert.That((library.Handle, library.Path), Is.EqualTo(((nint)0, (string?)null)));
        Assert.That(library.Attempts, Has.Length.EqualTo(2));
        Assert.That(library.Attempts[0], Does.StartWith(Missing + ": ").And.Length.GreaterThan(Missing.Length + 10));
        Assert.That(library.Attempts[0].Split(Missing), Has.Length.EqualTo(2), "the path once");
        Assert.That(library.Attempts[1], Does.StartWith("libnothing-else.so.7: "));
    }

    [Test]
    [Platform("Linux", Reason = "takes the C library for a wrong one")]
    public void Another_library_in_the_drivers_place_is_refused_by_what_it_lacks()
    {
        var error = Assert.Throws<DeviceUnavailableException>(() => CudaDevice.Open(0, new CudaOptions { DriverPath = "libc.so.6" }));
        Assert.That(error!.Message, Does.Contain("libc.so.6").And.Contain("cuInit").And.Contain("cuLaunchKernelEx"));
    }

    [Test]
    [Platform("Linux", Reason = "takes the C library for a wrong one")]
    public void The_probe_tells_everything_and_never_throws()
    {
        DeviceProbe probe = DeviceProbe.Run(new CudaOptions { DriverPath = Missing, NvrtcPath = "libc.so.6" });
        Assert.That(probe.DriverError, Does.Contain(Missing));
        Assert.That(probe.NvrtcPath, Is.Null);
        Assert.That(probe.NvrtcAttempts.Single(), Does.Contain("libc.so.6").And.Contain("nvrtcCompileProgram"));
        Assert.That((probe.IsCudaUsable, probe.WhyNotCuda), Is.EqualTo((false, probe.DriverError)));
    }

    [Test]
    public void The_probe_lists_the_devices_of_a_driver()
    {
        DeviceProbe probe = DeviceProbe.AddDriver(new DeviceProbe { CubinDirectory = Missing }, () => new FakeDriver { DeviceCount = 2 }.Runtime);
        Assert.That(probe.DriverVersion, Is.EqualTo(new Version(13, 0)));
        Assert.That(probe.Devices.Select(device => (device.Ordinal, device.Name, device.Major, device.Processors)), Is.EqualTo(new[] { (0, "Fake GPU", 9, 132), (1, "Fake GPU", 9, 132) }));
        Assert.That(probe.WhyNotCuda, Does.Contain("NVRTC"));
        Assert.That((probe with { NvrtcPath = "somewhere" }).IsCudaUsable);
    }

    [TestCase(-1, 1, "cuda:0 to cuda:0")]
    [TestCase(1, 1, "cuda:0 to cuda:0")]
    [TestCase(0, 0, "no device")]
    public void A_device_that_is_not_there_is_refused_with_those_that_are(int ordinal, int count, string words)
    {
        var driver = new FakeDriver { DeviceCount = count };
        var error = Assert.Throws<DeviceUnavailableException>(() => CudaDevice.Open(driver.Runtime, ordinal, CudaOptions.Default));
        Assert.That(error!.Message, Does.Contain($"cuda:{ordinal}").And.Contain(words));
        Assert.That(driver.Retained, Is.Zero);
    }

    [TestCase(7, 5, "sm_75")]
    [TestCase(8, 0, "sm_80")]
    [TestCase(8, 6, "sm_86")]
    [TestCase(8, 7, "sm_87")]
    [TestCase(8, 9, "sm_89")]
    [TestCase(9, 0, "sm_90a")]
    [TestCase(10, 0, "sm_100a")]
    [TestCase(10, 3, "sm_103")]
    [TestCase(12, 0, "sm_120a")]
    [TestCase(12, 1, "sm_121")]
    public void Each_capability_has_its_target(int major, int minor, string target) =>
        Assert.That(KernelArchitecture.Target(major, minor), Is.EqualTo(target));

    [Test]
    public void Traits_follow_from_what_the_driver_tells()
    {
        using CudaDevice device = CudaDevice.Open(new FakeDriver().Runtime, 0, CudaOptions.Default);
        DeviceTraits traits = device.Traits;
        Assert.That((traits.Kind, traits.Architecture, traits.Processors, traits.SharedMemoryBytes), Is.EqualTo((DeviceKind.Cuda, 90, 132, 232_448)));
        Assert.That(traits.BytesPerSecond, Is.EqualTo(2.95e12).Within(1).Percent);
        Assert.That(traits.HalfOperationsPerSecond, Is.EqualTo(8.1e14).Within(2).Percent);
    }

    [Test]
    public void A_driver_that_keeps_its_clocks_to_itself_gets_the_usual_ones()
    {
        // Major, minor and processors come first, then the clock.
        var driver = new FakeDriver { FailingCall = "cuDeviceGetAttribute", FailingOccurrence = 4, FailingResult = CudaResult.InvalidValue };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, CudaOptions.Default);
        Assert.That(device.Traits.HalfOperationsPerSecond, Is.EqualTo(132 * 1.5e9 * 4096 * 0.76).Within(1e-6).Percent);
        Assert.That(CudaTraits.Estimate(80, 108, 0, 0, 0, 0).BytesPerSecond, Is.GreaterThan(1e12));
    }
}
