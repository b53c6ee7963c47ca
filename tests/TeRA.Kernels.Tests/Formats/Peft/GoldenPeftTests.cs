using NUnit.Framework;
using TeRA.Kernels.Formats;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>
/// What PEFT 0.21.0 computed against this library's own paths: y, dx, ΔW and every gradient. Both are held against the dense float64 reference, each
/// within 16 roundoffs of the sum of its terms' absolute values, so that one standard judges both and the reference itself is judged by PEFT.
/// </summary>
internal abstract class GoldenPeftTests
{
    protected abstract Device Device { get; }

    private static string[] Golden => PeftFixtures.Golden;

    [Test]
    public void Everything_agrees([ValueSource(nameof(Golden))] string name, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path)
    {
        string folder = PeftFixtures.Folder(name);
        using Adapter adapter = Adapter.Load(folder);
        using Checkpoint model = Checkpoint.Open(Path.Combine(folder, "base.safetensors"));
        using SafetensorsFile io = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        using AdapterBinding binding = adapter.Bind(model.Modules());
        Assert.That(binding.Modules, Is.Not.Empty);
        Assert.That(binding.Modules.Select(module => module.Name), Is.EquivalentTo(model.Modules().Keys));
        foreach (AdapterModule module in binding.Modules)
        {
            LayerData data = GoldenProblem.Read(model, io, binding, module);
            var truth = new LayerTruth(data, exact: false);
            Check(name, "PEFT", LayerComparer.Compare(truth, GoldenProblem.Theirs(io, module, path)));
            Check(name, "here", LayerComparer.Compare(truth, Ours(data, binding, module, path)));
        }
    }

    /// <summary>The same adapters on 16-bit layers: PEFT's numbers are float32's, so the reference alone judges here.</summary>
    [Test]
    public void Sixteen_bit_layers_take_the_same_adapters(
        [ValueSource(nameof(Golden))] string name, [Values(DType.BFloat16, DType.Float16)] DType dtype, [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path)
    {
        string folder = PeftFixtures.Folder(name);
        using Adapter adapter = Adapter.Load(folder);
        using Checkpoint model = Checkpoint.Open(Path.Combine(folder, "base.safetensors"));
        using SafetensorsFile io = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        using AdapterBinding binding = adapter.Bind(model.Modules());
        foreach (AdapterModule module in binding.Modules)
        {
            LayerData data = GoldenProblem.Read(model, io, binding, module);
            LayerData rounded = data with
            {
                DType = dtype,
                Weight = Round(data.Weight, dtype),
                Bias = Round(data.Bias!, dtype),
                X = Round(data.X, dtype),
                OutputGradient = Round(data.OutputGradient, dtype),
            };
            Check(name, "here", LayerComparer.Compare(rounded, Ours(rounded, binding, module, path)));
        }
    }

    private static double[] Round(double[] values, DType dtype) => Elements.Decode(Elements.Encode(values, dtype), dtype);

    private static void Check(string name, string whose, IReadOnlyCollection<QuantityError> errors)
    {
        Assert.That(errors, Has.Count.GreaterThanOrEqualTo(5), name);
        foreach (QuantityError error in errors)
        {
            Assert.That(error.Passed, Is.True, $"{name}, {whose}: {error.Comparison.Report}");
        }
    }

    private LayerValues Ours(LayerData data, AdapterBinding binding, AdapterModule module, ExecutionPath path)
    {
        using Tensor weight = From(data.DType, data.Weight, data.OutFeatures, data.InFeatures), bias = From(data.DType, data.Bias!, data.OutFeatures);
        using Tensor x = From(data.DType, data.X, data.Tokens, data.InFeatures), dy = From(data.DType, data.OutputGradient, data.Tokens, data.OutFeatures);
        using Tensor y = Device.Allocate(data.DType, dy.Shape), dx = Device.Allocate(data.DType, x.Shape), delta = Device.Allocate(data.DType, weight.Shape);
        using AdaptedLinear layer = binding.CreateLayer(module.Name, Device, weight, bias, new AdaptedLinearOptions { Path = path });
        using var context = new LayerContext();
        layer.ZeroGradients();
        layer.Forward(x, y, context);
        layer.Backward(context, x, dy, dx);
        layer.MaterializeDelta(delta);
        Device.Synchronize();
        return new LayerValues
        {
            Path = path,
            Delta = LayerRunner.Download(delta),
            Y = LayerRunner.Download(y),
            InputGradient = LayerRunner.Download(dx),
            Gradients = [.. layer.Parameters.Select(parameter => LayerRunner.Download(parameter.Gradient))],
        };
    }

    private Tensor From(DType dtype, double[] values, params long[] shape) => LayerRunner.Upload(Device.Allocate(dtype, shape), values);
}

/// <summary>On the CPU.</summary>
internal sealed class CpuGoldenPeftTests : GoldenPeftTests
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>On the GPU.</summary>
[Category("Gpu")]
internal sealed class CudaGoldenPeftTests : GoldenPeftTests
{
    protected override Device Device => DeviceUnderTest.Cuda;
}
