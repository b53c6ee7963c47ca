using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The NVRTC of the machine, for tests of category Compile.</summary>
internal static class Nvrtc
{
    /// <summary>It, or the test is skipped with the reason.</summary>
    public static NvrtcCompiler Require()
    {
        NvrtcSearch search = NvrtcCompiler.Find(CudaOptions.Default);
        if (search.Compiler is null)
        {
            Assert.Ignore($"NVRTC was not found; name it in TERA_NVRTC. Tried: {string.Join("; ", search.Attempts)}");
        }

        return search.Compiler!;
    }
}
