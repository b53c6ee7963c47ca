using System.Collections.Concurrent;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Gemm;

/// <summary>The product kernels compile for every architecture, and none of them needs local memory: no spilled register, no indexed array.</summary>
[Category("Compile")]
internal sealed class ProductCompileTests
{
    private static KernelRequest[] Variants =>
        [.. MatrixProductLauncher.Variants, .. SplitSumLauncher.Variants, .. CoreProductLauncher.Variants, .. CoreProjectionLauncher.Variants];

    [Test]
    public void No_variant_needs_local_memory([ValueSource(typeof(KernelArchitecture), nameof(KernelArchitecture.Tested))] string architecture)
    {
        NvrtcSearch search = NvrtcCompiler.Find(CudaOptions.Default);
        if (search.Compiler is null)
        {
            Assert.Ignore($"No NVRTC: {string.Join("; ", search.Attempts)}");
        }

        KernelCompiler compiler = KernelCompiler.Create(CudaOptions.Default);
        var faults = new ConcurrentBag<string>();
        Parallel.ForEach(Variants, request =>
        {
            CubinResources resources = CubinResources.Read(compiler.Compile(request, architecture).Cubin);
            if (resources.FrameBytes > 0)
            {
                faults.Add($"{request}: {resources}");
            }
        });
        Assert.That(faults, Is.Empty, architecture);
        Assert.That(Variants, Has.Length.EqualTo(48 + 3 + 12 + 6));
    }
}
