using NUnit.Framework;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>On the first CUDA device.</summary>
[TestFixture]
[Category("Gpu")]
internal sealed class CudaAdaptedLinearTests : AdaptedLinearContract
{
    private CudaDevice? cuda;

    protected override Device Device => cuda!;

    [OneTimeSetUp]
    public void Open() => cuda = OpenCuda.OrIgnore();

    [OneTimeTearDown]
    public void Close() => cuda?.Dispose();
}

/// <summary>On the first CUDA device, in float32.</summary>
[TestFixture]
[Category("Gpu")]
internal sealed class CudaTapeTests : TapeContract
{
    private CudaDevice? cuda;

    protected override Device Device => cuda!;

    protected override DType DType => DType.Float32;

    [OneTimeSetUp]
    public void Open() => cuda = OpenCuda.OrIgnore();

    [OneTimeTearDown]
    public void Close() => cuda?.Dispose();
}
