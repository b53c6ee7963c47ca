using System.Collections.Immutable;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Cli;

/// <summary>The files of <c>tera apply</c>, written from and read back into a layer problem.</summary>
internal static class ApplyFiles
{
    /// <summary>base.safetensors, input.safetensors and the adapter folder.</summary>
    public static void Write(
        TemporaryFolder folder, string module, LayerData data, long[] leading, DType? weightDType = null, DType? activationDType = null,
        string? leaveOut = null, LayerData? sizes = null)
    {
        LayerData layer = sizes ?? data;
        (DType w, DType a) = (weightDType ?? data.DType, activationDType ?? data.DType);
        Save(folder["base.safetensors"], leaveOut,
            Source(module + ".weight", w, layer.Weight, layer.OutFeatures, layer.InFeatures),
            Source(module + ".bias", w, layer.Bias!, layer.OutFeatures));
        Save(folder["input.safetensors"], leaveOut,
            Source(module + ".x", a, data.X, [.. leading, data.InFeatures]),
            Source(module + ".dy", a, data.OutputGradient, [.. leading, data.OutFeatures]));
        var update = (TeraUpdate)layer.Update!;
        TeraVectors vectors = TeraVectors.Of(update, [.. layer.Trained.Select(vector => Array.ConvertAll(vector, value => (float)value))]);
        TeraAdapter.Create([(module, update, vectors)]).Save(folder["adapter"]);
    }

    public static LayerValues Read(SafetensorsFile file, string module, LayerData data) => new()
    {
        Delta = [],
        Merged = [],
        Y = Values(file, module + ".y"),
        InputGradient = Values(file, module + ".dx"),
        Gradients = [.. data.Update!.Trained.Select(tensor => Values(file, $"grad:base_model.model.{module}.{tensor.Name}"))],
        BiasGradient = [],
    };

    public static SafetensorsDType FileDType(DType dtype) => dtype switch
    {
        DType.Float32 => SafetensorsDType.F32,
        DType.BFloat16 => SafetensorsDType.BF16,
        DType.Float16 => SafetensorsDType.F16,
        _ => SafetensorsDType.F64,
    };

    private static double[] Values(SafetensorsFile file, string name)
    {
        using Tensor tensor = file.ToTensor(name, CpuDevice.Shared);
        return LayerRunner.Download(tensor);
    }

    private static (string Name, Tensor Tensor) Source(string name, DType dtype, double[] values, params long[] shape) =>
        (name, LayerRunner.Upload(CpuDevice.Shared.Allocate(dtype, shape), values));

    private static void Save(string path, string? leaveOut, params (string Name, Tensor Tensor)[] tensors)
    {
        SafetensorsWriter.Write(path, tensors.Where(tensor => tensor.Name != leaveOut).Select(tensor => SafetensorsSource.From(tensor.Name, tensor.Tensor)));
        foreach ((_, Tensor tensor) in tensors)
        {
            tensor.Dispose();
        }
    }
}
