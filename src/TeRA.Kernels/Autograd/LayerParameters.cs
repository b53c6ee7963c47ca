using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>Makes the parameters of a layer, with their starting values and zero gradients.</summary>
internal static class LayerParameters
{
    // RandomFactor's uniform numbers have variance 1: they lie within ±√3.
    private const double UniformHalfWidth = 1.7320508075688772;

    /// <summary>One parameter for each tensor. On failure nothing is left allocated.</summary>
    public static Parameter[] Create(Device device, DType dtype, ImmutableArray<TrainedTensor> tensors, RandomSource source)
    {
        var parameters = new List<Parameter>();
        try
        {
            foreach (TrainedTensor tensor in tensors)
            {
                parameters.Add(Create(device, dtype, tensor.Name, tensor.IsShared, [.. tensor.Shape], Start(tensor, source)));
            }

            device.Synchronize();
            return [.. parameters];
        }
        catch
        {
            parameters.ForEach(parameter => parameter.Dispose());
            throw;
        }
    }

    /// <summary>The trained bias: it starts from the given one, or from zero.</summary>
    public static Parameter CreateBias(Device device, DType dtype, Tensor? bias, long outFeatures)
    {
        Parameter parameter = Create(device, dtype, "bias", isShared: false, [outFeatures], bias is null ? new double[outFeatures] : ReadBias(bias));
        device.Synchronize();
        return parameter;
    }

    private static Parameter Create(Device device, DType dtype, string name, bool isShared, long[] shape, double[] start)
    {
        Tensor value = device.Allocate(dtype, shape);
        Tensor? gradient = null;
        try
        {
            gradient = device.Allocate(dtype, shape);
            Write(value, start);
            gradient.Clear();
            return new Parameter(name, value, gradient) { IsShared = isShared };
        }
        catch
        {
            value.Dispose();
            gradient?.Dispose();
            throw;
        }
    }

    private static void Write(Tensor value, double[] start)
    {
        if (value.DType == DType.Float64)
        {
            value.CopyFrom<double>(start);
        }
        else
        {
            value.CopyFrom<float>(Array.ConvertAll(start, number => (float)number));
        }
    }

    private static double[] Start(TrainedTensor tensor, RandomSource source)
    {
        TrainedStart start = tensor.Start;
        var values = new double[tensor.Count];
        if (start is { UniformBound: 0, NormalDeviation: 0 })
        {
            Array.Fill(values, start.Constant);
            return values;
        }

        bool normal = start.NormalDeviation != 0;
        RandomFactor.Fill(values, source with { Distribution = normal ? Distribution.Normal : Distribution.Uniform }, start.Stream);
        double scale = normal ? start.NormalDeviation : start.UniformBound / UniformHalfWidth;
        return Array.ConvertAll(values, number => number * scale);
    }

    private static double[] ReadBias(Tensor bias) => bias.DType switch
    {
        DType.Float64 => bias.ToArray<double>(),
        DType.Float32 => Array.ConvertAll(bias.ToArray<float>(), number => (double)number),
        DType.BFloat16 => Array.ConvertAll(bias.ToArray<BFloat16>(), number => (double)(float)number),
        _ => Array.ConvertAll(bias.ToArray<Half>(), number => (double)number),
    };
}
