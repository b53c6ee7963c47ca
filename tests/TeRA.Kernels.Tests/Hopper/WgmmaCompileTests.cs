using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>The Hopper kernels compile for their one target.</summary>
[Category("Compile")]
internal sealed class WgmmaCompileTests
{
    private static IEnumerable<KernelRequest> Requests =>
        [.. WgmmaProductLauncher.Variants.Where((_, i) => i % 9 == 4), .. WgmmaThinProductLauncher.Variants.Where((_, i) => i % 9 == 0), .. WgmmaModesLauncher.Variants.Take(4), .. WgmmaMarginalsLauncher.Variants];

    [Test]
    public void They_compile([ValueSource(nameof(Requests))] KernelRequest request)
    {
        NvrtcSearch search = NvrtcCompiler.Find(CudaOptions.Default);
        if (search.Compiler is null)
        {
            Assert.Ignore($"No NVRTC: {string.Join("; ", search.Attempts)}");
        }

        Assert.That(KernelCompiler.Create(CudaOptions.Default).Compile(request, "sm_90a").Cubin, Is.Not.Empty);
    }
}
