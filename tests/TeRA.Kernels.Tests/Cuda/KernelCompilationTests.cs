using System.Collections.Concurrent;
using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>Every kernel compiles for every architecture with the real NVRTC. The disk cache is used: its key is everything that matters.</summary>
[TestFixture]
[Category("Compile")]
internal sealed class KernelCompilationTests
{
    private const string SharedFolderVariable = "TERA_TEST_SHARED_CACHE";

    // Minutes from an empty cache, so a quick run takes one architecture and leaves the others (category Slow) to the full one.
    private static IEnumerable<TestCaseData> Architectures => KernelArchitecture.Tested.Select(architecture =>
        architecture == "sm_90a" ? new TestCaseData(architecture) : new TestCaseData(architecture).SetCategory("Slow"));

    [TestCaseSource(nameof(Architectures))]
    public void Every_variant_compiles_has_its_entries_and_takes_the_struct_that_is_passed(string architecture)
    {
        Nvrtc.Require();
        KernelCompiler compiler = KernelCompiler.Create(CudaOptions.Default);
        KernelRequest[] variants = [.. StepLauncher.Variants.Where(request => request.IsFor(architecture))];
        var faults = new ConcurrentBag<string>();
        Parallel.ForEach(variants.GroupBy(request => request with { Entry = "" }), module =>
        {
            byte[] cubin = compiler.Compile(module.Key, architecture).Cubin;
            foreach (KernelRequest request in module)
            {
                Inspect(cubin, request, faults);
            }
        });
        Assert.That(faults, Is.Empty, architecture);
        Assert.That(variants, Is.Not.Empty);
    }

    [Test]
    public void A_mistake_is_told_with_file_and_line()
    {
        var sources = new KernelSources(new Dictionary<string, string> { ["bad.cu"] = "#include \"bad.cuh\"\n", ["bad.cuh"] = "\nthis is no C++;\n" });
        NvrtcCompiler compiler = Nvrtc.Require();
        var error = Assert.Throws<KernelCompilationException>(() => compiler.Compile(sources.Closure("bad.cu"), ["-DX=1"], "sm_90a"));
        Assert.That(error!.Log, Does.Contain("bad.cuh(2)"));
        Assert.That(error.Status, Is.EqualTo("NVRTC_ERROR_COMPILATION"));
        Assert.That(File.Exists(Path.Combine(error.Dump!, "bad.cuh")));
        Directory.Delete(error.Dump!, recursive: true);
    }

    [Test]
    public void A_target_that_NVRTC_does_not_know_is_told_with_those_it_knows()
    {
        NvrtcCompiler compiler = Nvrtc.Require();
        var error = Assert.Throws<KernelCompilationException>(() => compiler.Compile(KernelSources.Embedded.Closure("common/probe.cu"), [], "sm_999"));
        Assert.That(error!.Message, Does.Contain("may not know sm_999").And.Contain("sm_90"));
        Directory.Delete(error.Dump!, recursive: true);
    }

    [Test]
    public void Compiling_twice_gives_the_same_bytes()
    {
        NvrtcCompiler compiler = Nvrtc.Require();
        ImmutableArray<KernelSource> sources = KernelSources.Embedded.Closure("common/probe.cu");
        byte[] first = compiler.Compile(sources, [], "sm_90a");
        byte[] second = compiler.Compile(sources, [], "sm_90a");
        Assert.That(second, Is.EqualTo(first));
    }

    [Test]
    [CancelAfter(120_000)]
    public void Compiling_into_a_shared_folder_is_right()
    {
        NvrtcCompiler nvrtc = Nvrtc.Require();
        string? shared = Environment.GetEnvironmentVariable(SharedFolderVariable);
        string folder = shared ?? Directory.CreateTempSubdirectory("tera-shared-").FullName;
        byte[] expected = nvrtc.Compile(KernelSources.Embedded.Closure("common/probe.cu"), [], "sm_90a");
        var compiler = new KernelCompiler(KernelSources.Embedded, new CubinCache(folder), new NvrtcSearch(nvrtc, []), folder);
        for (int i = 0; i < 20; i++)
        {
            Assert.That(compiler.Compile(Probe.Scale, "sm_90a", fresh: i % 2 == 0).Cubin, Is.EqualTo(expected));
        }

        if (shared is null)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    [CancelAfter(300_000)]
    public void Eight_processes_share_a_cache()
    {
        Nvrtc.Require();
        string folder = Directory.CreateTempSubdirectory("tera-processes-").FullName;
        ChildProcess[] children = [.. Enumerable.Range(0, 8).Select(_ =>
            ChildProcess.Start(nameof(Compiling_into_a_shared_folder_is_right), (SharedFolderVariable, folder)))];
        foreach (ChildProcess child in children)
        {
            (int exitCode, string output) = child.Wait(TimeSpan.FromSeconds(240));
            Assert.That(exitCode, Is.Zero, output);
            Assert.That(output, Does.Match(@"succeeded: 1\b"));
        }

        Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1), "one entry and no temporary file");
        Directory.Delete(folder, recursive: true);
    }

    private static void Inspect(byte[] cubin, KernelRequest request, ConcurrentBag<string> faults)
    {
        if (!Cubin.Entries(cubin).Contains(request.Entry))
        {
            faults.Add($"{request}: no such entry; there are {string.Join(", ", Cubin.Entries(cubin))}");
        }
        else if (Cubin.ArgumentBytes(cubin, request.Entry) is int bytes && bytes != request.ArgumentBytes)
        {
            faults.Add($"{request}: the kernel takes {bytes} bytes, the C# struct has {request.ArgumentBytes} (0: the request does not tell it in ArgumentBytes)");
        }
    }
}
