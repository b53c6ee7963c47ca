using NUnit.Framework;

namespace TeRA.Kernels.Tests.Cuda;

[TestFixture]
internal sealed class DeviceFactoryTests
{
    private static readonly CudaOptions NoDriver = new() { DriverPath = "/no/such/libcuda.so.1" };

    [TestCase("cpu")]
    [TestCase(" CPU ")]
    [TestCase("auto")]
    public void The_cpu_is_always_there(string spec)
    {
        using Device device = Device.Open(spec, NoDriver);
        Assert.That(device.Kind, Is.EqualTo(DeviceKind.Cpu));
    }

    [TestCase("cuda")]
    [TestCase("cuda:0")]
    [TestCase("CUDA:12")]
    public void A_gpu_by_name_is_never_replaced_by_something_else(string spec) =>
        Assert.That(() => Device.Open(spec, NoDriver), Throws.TypeOf<DeviceUnavailableException>().With.Message.Contains("/no/such/libcuda.so.1"));

    [TestCase("")]
    [TestCase("gpu")]
    [TestCase("cuda:")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:x")]
    [TestCase("cuda:99999999999")]
    [TestCase("cuda0")]
    public void Other_names_are_refused_with_those_that_exist(string spec) =>
        Assert.That(() => Device.Open(spec, NoDriver), Throws.ArgumentException.With.Message.Contains($"\"{spec}\"").And.Message.Contains("auto, cpu, cuda or cuda:n"));
}
