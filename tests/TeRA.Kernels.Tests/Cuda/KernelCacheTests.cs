using System.Runtime.Versioning;
using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The cache of compiled kernels: whatever is on the disk, the result is right, at worst after one more compilation.</summary>
[TestFixture]
internal sealed class KernelCacheTests
{
    private static readonly KernelRequest Request = new("a/kernel.cu", "kernel", ["-DTERA_DTYPE=1"]);

    private string folder = "";

    private static Dictionary<string, string> Files => new()
    {
        ["a/kernel.cu"] = "#include \"b/one.cuh\"\nkernel",
        ["b/one.cuh"] = "  #  include \"b/two.cuh\" // and more\none",
        ["b/two.cuh"] = "#include \"b/one.cuh\"\ntwo",
        ["b/other.cuh"] = "other",
    };

    [SetUp]
    public void MakeFolder() => folder = Directory.CreateTempSubdirectory("tera-cache-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void The_second_compilation_comes_from_the_disk()
    {
        var nvrtc = new FakeNvrtc();
        CompiledKernel first = Compiler(nvrtc).Compile(Request, "sm_90a");
        CompiledKernel second = Compiler(nvrtc).Compile(Request, "sm_90a");
        Assert.That((first.FromCache, second.FromCache, nvrtc.Compilations), Is.EqualTo((false, true, 1)));
        Assert.That(second.Cubin, Is.EqualTo(first.Cubin));
        Assert.That(Path.GetFileName(Directory.GetFiles(folder).Single()), Does.Match("^a-kernel\\.sm_90a\\.[0-9a-f]{64}\\.cubin$"));
    }

    [Test]
    public void Options_are_given_in_order_after_ours()
    {
        var nvrtc = new FakeNvrtc();
        Compiler(nvrtc).Compile(Request, "sm_90a");
        Assert.That(nvrtc.LastOptions, Is.EqualTo(new[] { "--gpu-architecture=sm_90a", "--std=c++20", "-default-device", "-DTERA_DTYPE=1" }));
    }

    [Test]
    public void Everything_that_matters_is_in_the_key()
    {
        var names = new HashSet<string> { Key(Files, Request, "sm_90a", "nvrtc 13.0") };
        Assert.That(names.Add(Key(Files, Request, "sm_90", "nvrtc 13.0")), "target");
        Assert.That(names.Add(Key(Files, Request, "sm_90a", "nvrtc 13.1")), "compiler");
        Assert.That(names.Add(Key(Files, Request with { Options = [] }, "sm_90a", "nvrtc 13.0")), "options");
        Assert.That(names.Add(Key(Files, Request with { Options = ["-DTERA_DTYPE=1", "-DX"] }, "sm_90a", "nvrtc 13.0")), "more options");
        Assert.That(names.Add(Key(Files, Request with { Options = ["-DX", "-DTERA_DTYPE=1"] }, "sm_90a", "nvrtc 13.0")), "their order");
        foreach (string file in new[] { "a/kernel.cu", "b/one.cuh", "b/two.cuh" })
        {
            Dictionary<string, string> changed = Files;
            changed[file] += " ";
            Assert.That(names.Add(Key(changed, Request, "sm_90a", "nvrtc 13.0")), file);
        }

        Dictionary<string, string> unrelated = Files;
        unrelated["b/other.cuh"] = "changed";
        Assert.That(names.Add(Key(unrelated, Request, "sm_90a", "nvrtc 13.0")), Is.False, "a header that is not reached");
        Assert.That(names.Add(Key(Files, Request with { Entry = "another" }, "sm_90a", "nvrtc 13.0")), Is.False, "the entry shares the cubin");
    }

    [Test]
    public void The_closure_starts_with_the_kernel_and_ends_even_in_a_circle()
    {
        Assert.That(new KernelSources(Files).Closure("a/kernel.cu").Select(source => source.Name), Is.EqualTo(new[] { "a/kernel.cu", "b/one.cuh", "b/two.cuh" }));
    }

    [Test]
    public void A_missing_header_is_named_with_who_includes_it()
    {
        Dictionary<string, string> files = Files;
        files.Remove("b/two.cuh");
        var error = Assert.Throws<InvalidOperationException>(() => new KernelSources(files).Closure("a/kernel.cu"));
        Assert.That(error!.Message, Does.Contain("b/one.cuh").And.Contain("b/two.cuh"));
        Assert.Throws<ArgumentException>(() => new KernelSources(files).Closure("no.cu"));
    }

    [Test]
    public void Any_flipped_byte_costs_one_compilation_and_is_repaired()
    {
        byte[] expected = Compiler(new FakeNvrtc()).Compile(Request, "sm_90a").Cubin;
        string path = Directory.GetFiles(folder).Single();
        byte[] entry = File.ReadAllBytes(path);
        for (int i = 0; i < entry.Length; i++)
        {
            byte[] damaged = [.. entry];
            damaged[i] ^= 0x40;
            AssertRecompiled(path, damaged, expected);
        }
    }

    [Test]
    public void Any_length_but_the_right_one_costs_one_compilation_and_is_repaired()
    {
        byte[] expected = Compiler(new FakeNvrtc()).Compile(Request, "sm_90a").Cubin;
        string path = Directory.GetFiles(folder).Single();
        byte[] entry = File.ReadAllBytes(path);
        for (int length = 0; length < entry.Length; length++)
        {
            AssertRecompiled(path, entry[..length], expected);
        }

        AssertRecompiled(path, [.. entry, 0], expected);
    }

    [TestCase("sm_80")]
    [TestCase("sm_100a")]
    public void An_entry_of_another_target_under_our_name_is_not_taken(string foreign)
    {
        var nvrtc = new FakeNvrtc();
        byte[] expected = Compiler(nvrtc).Compile(Request, "sm_90a").Cubin;
        string path = Directory.GetFiles(folder).Single();
        byte[] other = Compiler(nvrtc).Compile(Request, foreign).Cubin;
        string otherPath = Directory.GetFiles(folder).Single(file => file != path);
        Assert.That(other, Is.Not.EqualTo(expected));
        AssertRecompiled(path, File.ReadAllBytes(otherPath), expected);
    }

    [Test]
    public void A_folder_that_cannot_be_one_is_done_without()
    {
        string file = Path.Combine(folder, "file");
        File.WriteAllText(file, "not a folder");
        foreach (string directory in new[] { file, Path.Combine(file, "below") })
        {
            var nvrtc = new FakeNvrtc();
            var cache = new CubinCache(directory);
            byte[] first = Compiler(nvrtc, cache).Compile(Request, "sm_90a").Cubin;
            Assert.That(Compiler(nvrtc, cache).Compile(Request, "sm_90a").Cubin, Is.EqualTo(first));
            Assert.That(nvrtc.Compilations, Is.EqualTo(2), "nothing could be kept");
        }
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "Unix permissions")]
    [UnsupportedOSPlatform("windows")]
    public void A_read_only_folder_is_read_and_otherwise_done_without()
    {
        var nvrtc = new FakeNvrtc();
        byte[] first = Compiler(nvrtc).Compile(Request, "sm_90a").Cubin;
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        try
        {
            Assert.That(Compiler(nvrtc).Compile(Request, "sm_90a"), Has.Property(nameof(CompiledKernel.FromCache)).True);
            Assert.That(Compiler(nvrtc).Compile(Request, "sm_80").Cubin, Is.Not.EqualTo(first));
        }
        finally
        {
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Test]
    public void Losing_the_rename_leaves_the_result_right_and_no_rubbish()
    {
        var nvrtc = new FakeNvrtc();
        byte[] expected = Compiler(nvrtc).Compile(Request, "sm_90a").Cubin;
        string path = Directory.GetFiles(folder).Single();
        File.Delete(path);
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "in the way"), "");
        Assert.That(Compiler(nvrtc).Compile(Request, "sm_90a").Cubin, Is.EqualTo(expected));
        Assert.That(Directory.GetFiles(folder), Is.Empty, "temporary files");
    }

    [Test]
    [CancelAfter(60_000)]
    public void Many_threads_on_one_folder_all_get_the_right_cubin()
    {
        KernelRequest[] requests = [.. Enumerable.Range(0, 8).Select(i => Request with { Options = [$"-DN={i}"] })];
        byte[][] expected = [.. requests.Select(request => Compiler(new FakeNvrtc(), new CubinCache(null)).Compile(request, "sm_90a").Cubin)];
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            byte[] cubin = Compiler(new FakeNvrtc()).Compile(requests[i % 8], "sm_90a", fresh: i % 3 == 0).Cubin;
            Assert.That(cubin, Is.EqualTo(expected[i % 8]));
        });
        Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(8), "one entry a kernel and no temporary file");
    }

    [Test]
    public void The_cache_can_be_switched_off()
    {
        var nvrtc = new FakeNvrtc();
        var cache = CubinCache.Create(new CudaOptions { DisableCache = true, CacheDirectory = folder }, _ => null);
        Compiler(nvrtc, cache).Compile(Request, "sm_90a");
        Compiler(nvrtc, cache).Compile(Request, "sm_90a");
        Assert.That(nvrtc.Compilations, Is.EqualTo(2));
        Assert.That(Directory.GetFileSystemEntries(folder), Is.Empty);
    }

    [Test]
    public void The_folder_is_the_options_then_the_variables_then_the_homes()
    {
        Assert.That(Folder(new CudaOptions { CacheDirectory = "/option" }, ("TERA_CACHE", "/variable")), Is.EqualTo("/option"));
        Assert.That(Folder(CudaOptions.Default, ("TERA_CACHE", "/variable")), Is.EqualTo("/variable"));
        Assert.That(Folder(CudaOptions.Default, ("TERA_CACHE", "off")), Is.Null);
        if (!OperatingSystem.IsWindows())
        {
            Assert.That(Folder(CudaOptions.Default, ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")), Is.EqualTo("/xdg/tera-kernels"));
            Assert.That(Folder(CudaOptions.Default, ("HOME", "/home/me")), Is.EqualTo("/home/me/.cache/tera-kernels"));
        }
    }

    [TestCase("nvrtcCreateProgram")]
    [TestCase("nvrtcGetCUBINSize")]
    [TestCase("nvrtcGetCUBIN")]
    public void A_failing_call_of_NVRTC_is_named_and_the_program_is_freed(string function)
    {
        var nvrtc = new FakeNvrtc { FailingCall = function };
        var error = Assert.Throws<TeraException>(() => Compiler(nvrtc).Compile(Request, "sm_90a"));
        Assert.That(error!.Message, Does.Contain(function + " failed with 6"));
        Assert.That(nvrtc.Alive, Is.Zero);
        Assert.That(Directory.GetFiles(folder), Is.Empty, "nothing half-made is kept");
    }

    [TestCase("nvrtcVersion")]
    public void An_NVRTC_without_a_version_is_refused(string function) =>
        Assert.That(() => new FakeNvrtc { FailingCall = function }.Found, Throws.TypeOf<TeraException>().With.Message.Contains(function));

    [TestCase("nvrtcDestroyProgram")]
    [TestCase("nvrtcGetProgramLogSize")]
    [TestCase("nvrtcGetProgramLog")]
    public void What_is_not_needed_for_the_result_may_fail(string function) =>
        Assert.That(Compiler(new FakeNvrtc { FailingCall = function }).Compile(Request, "sm_90a").Cubin, Has.Length.EqualTo(32));

    [Test]
    public void A_kernel_that_does_not_compile_tells_status_options_log_and_where_the_sources_are()
    {
        var nvrtc = new FakeNvrtc { FailingCall = "nvrtcCompileProgram" };
        var error = Assert.Throws<KernelCompilationException>(() => Compiler(nvrtc).Compile(Request, "sm_90a"));
        Assert.That((error!.File, error.Status, error.Log), Is.EqualTo(("a/kernel.cu", "NVRTC_ERROR_COMPILATION", "line 1: bad")));
        Assert.That(error.Options, Does.Contain("-DTERA_DTYPE=1").And.Contain("--gpu-architecture=sm_90a"));
        Assert.That(error.Message, Does.Contain("a/kernel.cu").And.Contain("line 1: bad").And.Contain(error.Dump!));
        Assert.That(File.ReadAllText(Path.Combine(error.Dump!, "b", "two.cuh")), Is.EqualTo(Files["b/two.cuh"]));
        Directory.Delete(error.Dump!, recursive: true);
        Assert.That(nvrtc.Alive, Is.Zero);
    }

    [Test]
    public void Without_NVRTC_a_kernel_built_ahead_of_time_is_taken_by_its_name()
    {
        var sources = new KernelSources(Files);
        string name = KernelCompiler.AheadOfTimeKey(sources, Request, "sm_90a").FileName;
        File.WriteAllBytes(Path.Combine(folder, name), [1, 2, 3]);
        var compiler = new KernelCompiler(sources, new CubinCache(null), new NvrtcSearch(null, ["libnvrtc.so.13: not there"]), folder);
        Assert.That(compiler.Compile(Request, "sm_90a").Cubin, Is.EqualTo(new byte[] { 1, 2, 3 }));
        var error = Assert.Throws<DeviceUnavailableException>(() => compiler.Compile(Request, "sm_80"));
        Assert.That(error!.Message, Does.Contain("libnvrtc.so.13: not there").And.Contain("TERA_NVRTC").And.Contain(folder).And.Contain("sm_80"));
    }

    [Test]
    public void An_image_that_the_driver_refuses_is_compiled_again()
    {
        FakeDriver.Current = 0;
        var nvrtc = new FakeNvrtc();
        Compiler(nvrtc).Compile(Request, "sm_90a");
        var driver = new FakeDriver { RefusedImages = 1 };
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, CudaOptions.Default);
        var library = new KernelLibrary(device, () => Compiler(nvrtc));
        Assert.That(library.Load(Request).Name, Is.EqualTo("kernel"));
        Assert.That(nvrtc.Compilations, Is.EqualTo(2));
    }

    [Test]
    public void One_module_serves_all_its_entries_and_each_is_loaded_once()
    {
        FakeDriver.Current = 0;
        var driver = new FakeDriver();
        using CudaDevice device = CudaDevice.Open(driver.Runtime, 0, CudaOptions.Default);
        var nvrtc = new FakeNvrtc();
        var library = new KernelLibrary(device, () => Compiler(nvrtc, new CubinCache(null)));
        CudaKernel[] kernels = new CudaKernel[64];
        Parallel.For(0, kernels.Length, i => kernels[i] = library.Load(Request with { Entry = i % 2 == 0 ? "forward" : "backward" }));
        Assert.That(kernels.Distinct().Count(), Is.EqualTo(2));
        Assert.That((nvrtc.Compilations, driver.Calls["cuModuleLoadData"]), Is.EqualTo((1, 1)));
    }

    private static string Key(Dictionary<string, string> files, KernelRequest request, string architecture, string compiler) =>
        KernelKey.Create(new KernelSources(files).Closure(request.File), request.Options, architecture, compiler).FileName;

    private static string? Folder(CudaOptions options, params (string Name, string Value)[] variables) =>
        CubinCache.Create(options, name => variables.FirstOrDefault(variable => variable.Name == name).Value).Directory;

    private void AssertRecompiled(string path, byte[] entry, byte[] expected)
    {
        File.WriteAllBytes(path, entry);
        var nvrtc = new FakeNvrtc();
        Assert.That(Compiler(nvrtc).Compile(Request, "sm_90a").Cubin, Is.EqualTo(expected));
        Assert.That(nvrtc.Compilations, Is.EqualTo(1));
        Assert.That(Compiler(nvrtc).Compile(Request, "sm_90a").FromCache, "the entry is repaired");
    }

    private KernelCompiler Compiler(FakeNvrtc nvrtc, CubinCache? cache = null) =>
        new(new KernelSources(Files), cache ?? new CubinCache(folder), nvrtc.Found, Path.Combine(folder, "none"));
}
