namespace TeRA.Kernels;

/// <summary>Makes the parameters of a layer, with their starting values and zero gradients.</summary>
internal static class LayerParameters
{
    // RandomFactor's uniform numbers have variance 1: they lie within ±√3.
    private const double UniformHalfWidth = 1.7320508075688772;

    /// <summary>One parameter for each trained tensor of the update, then the bias when it is trained. On failure nothing is left allocated.</summary>
    public static Parameter[] Create(Device device, DType dtype, WeightUpdate? update, Tensor? bias, long outFeatures, bool trainBias)
    {
        var parameters = new List<Parameter>();
        try
        {
            foreach (TrainedTensor tensor in update?.Trained ?? [])
            {
                parameters.Add(Create(device, dtype, tensor.Name, [.. tensor.Shape], Start(tensor, update!.StartSource)));
            }

            if (trainBias)
            {
                parameters.Add(Create(device, dtype, "bias", [outFeatures], bias is null ? new double[outFeatures] : ReadBias(bias)));
            }

            device.Synchronize();
            return [.. parameters];
        }
        catch
        {
            foreach (Parameter parameter in parameters)
            {
                parameter.Value.Dispose();
                parameter.Gradient.Dispose();
            }

            throw;
        }
    }

    private static Parameter Create(Device device, DType dtype, string name, long[] shape, double[] start)
    {
        Tensor value = device.Allocate(dtype, shape);
        Tensor? gradient = null;
        try
        {
            gradient = device.Allocate(dtype, shape);
            Write(value, start);
            gradient.Clear();
            return new Parameter(name, value, gradient);
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
        var start = new double[tensor.Count];
        if (tensor.Start.UniformBound == 0)
        {
            Array.Fill(start, tensor.Start.Constant);
            return start;
        }

        var uniform = new float[tensor.Count];
        RandomFactor.Fill(uniform, source with { Distribution = Distribution.Uniform }, tensor.Start.Stream);
        double scale = tensor.Start.UniformBound / UniformHalfWidth;
        return Array.ConvertAll(uniform, number => number * scale);
    }

    private static double[] ReadBias(Tensor bias) => bias.DType switch
    {
        DType.Float64 => bias.ToArray<double>(),
        DType.Float32 => Array.ConvertAll(bias.ToArray<float>(), number => (double)number),
        DType.BFloat16 => Array.ConvertAll(bias.ToArray<BFloat16>(), number => (double)(float)number),
        _ => Array.ConvertAll(bias.ToArray<Half>(), number => (double)number),
    };
}
