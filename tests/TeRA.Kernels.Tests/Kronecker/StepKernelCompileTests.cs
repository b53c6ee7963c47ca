using System.Collections.Concurrent;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Tests.Cuda;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Kronecker;

/// <summary>The Kronecker, elementwise, vector, loss and optimiser kernels need no local memory on any architecture: no spilled register.</summary>
[Category("Compile")]
internal sealed class StepKernelCompileTests
{
    private static KernelRequest[] Variants =>
    [
        .. KroneckerLauncher.Variants, .. OuterVectorsLauncher.Variants, .. VectorMarginalsLauncher.Variants, .. ConvertLauncher.Variants,
        .. ScaledAddLauncher.Variants, .. ColumnSumLauncher.Variants, .. ActivationLauncher.Variants, .. LossLauncher.Variants, .. OptimizerLauncher.Variants,
    ];

    private static IEnumerable<TestCaseData> Architectures => KernelArchitecture.Tested.Select(architecture =>
        architecture == "sm_90a" ? new TestCaseData(architecture) : new TestCaseData(architecture).SetCategory("Slow"));

    [TestCaseSource(nameof(Architectures))]
    public void No_variant_needs_local_memory(string architecture)
    {
        Nvrtc.Require();
        KernelCompiler compiler = KernelCompiler.Create(CudaOptions.Default);
        var faults = new ConcurrentBag<string>();
        KernelRequest[] modules = [.. Variants.DistinctBy(request => request with { Entry = "" })];
        Parallel.ForEach(modules, request =>
        {
            CubinResources resources = CubinResources.Read(compiler.Compile(request with { Entry = "" }, architecture).Cubin);
            if (resources.FrameBytes > 0)
            {
                faults.Add($"{request}: {resources}");
            }
        });
        Assert.That(faults, Is.Empty, architecture);
        Assert.That(modules, Has.Length.EqualTo(24 + 1 + 9 + 5 + 3 + 3 + 3 + 1), "modules of all variants");
    }
}
