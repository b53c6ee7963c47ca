using NUnit.Framework;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>On the CPU device.</summary>
[TestFixture]
internal sealed class CpuAdaptedLinearTests : AdaptedLinearContract
{
    protected override Device Device => CpuDevice.Shared;
}

/// <summary>On the CPU device, in float64.</summary>
[TestFixture]
internal sealed class CpuGradientCheckTests : GradientCheck
{
    protected override Device Device => CpuDevice.Shared;
}

/// <summary>On the CPU device, in float64.</summary>
[TestFixture]
internal sealed class CpuTapeTests : TapeContract
{
    protected override Device Device => CpuDevice.Shared;

    protected override DType DType => DType.Float64;
}
