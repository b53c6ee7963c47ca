namespace TeRA.Kernels.Verification;

/// <summary>Runs a layer problem through the library's own path, <see cref="AdaptedLinear"/>, and brings all results back as numbers.</summary>
internal static class LayerRunner
{
    /// <summary>Makes a tensor for the named array; its contents may be anything.</summary>
    public delegate Tensor TensorSource(string name, DType dtype, ReadOnlySpan<long> shape);

    /// <summary>
    /// Forward once, backward twice, and the materialised weights. Gradients accumulate, so two backwards give them doubled; halving is exact,
    /// and a gradient that was overwritten comes out wrong by a factor of two.
    /// </summary>
    /// <param name="device">Where.</param>
    /// <param name="data">The problem.</param>
    /// <param name="options">The layer's options.</param>
    /// <param name="source">Where tensors come from; the device itself by default.</param>
    /// <param name="weights">Also α·ΔW and W0 + α·ΔW.</param>
    public static LayerValues Run(
        Device device, LayerData data, AdaptedLinearOptions options, TensorSource? source = null, bool weights = true)
    {
        source ??= (_, dtype, shape) => device.Allocate(dtype, shape);
        (long b, long n, long k, DType dtype) = (data.Tokens, data.OutFeatures, data.InFeatures, data.DType);
        using Tensor weight = Upload(source("weight", dtype, [n, k]), data.Weight);
        using Tensor? bias = data.Bias is { } values ? Upload(source("bias", dtype, [n]), values) : null;
        using Tensor x = Upload(source("x", dtype, [b, k]), data.X), dy = Upload(source("dy", dtype, [b, n]), data.OutputGradient);
        using Tensor y = source("y", dtype, [b, n]), dx = source("dx", dtype, [b, k]);
        Tensor[] stored = [.. data.Stored.Select((values, i) => Upload(source(data.Update!.Stored[i].Name, data.Update.Stored[i].DType, data.Update.Stored[i].Shape.AsSpan()), values))];
        using var frozen = new Owned(stored);
        using var layer = new AdaptedLinear(device, weight, bias, data.Update, options, new GivenTensors { Stored = stored });
        using var context = new LayerContext();
        Load(layer, data);
        layer.ZeroGradients();
        layer.Forward(x, y, context);
        layer.Backward(context, x, dy, dx);
        layer.Backward(context, x, dy, dx);
        device.Synchronize();
        LayerPlan plan = layer.Plan(b);
        return new LayerValues
        {
            Path = plan.Path,
            BackwardPath = plan.BackwardPath,
            Delta = weights && data.Update is not null ? Materialize(source("delta", dtype, [n, k]), delta => layer.MaterializeDelta(delta)) : [],
            Merged = weights ? Materialize(source("merged", dtype, [n, k]), merged => layer.Merge(merged)) : [],
            Y = Download(y),
            InputGradient = Download(dx),
            Gradients = [.. layer.Parameters.Take(data.Trained.Length).Select(parameter => Half(parameter.Gradient))],
            BiasGradient = options.TrainBias ? Half(layer.Parameters[^1].Gradient) : [],
        };
    }

    /// <summary>Sets the layer's trained tensors to the problem's.</summary>
    public static void Load(AdaptedLinear layer, LayerData data)
    {
        for (int i = 0; i < data.Trained.Length; i++)
        {
            Upload(layer.Parameters[i].Value, data.Trained[i]);
        }
    }

    /// <summary>Writes numbers into a tensor of any dtype.</summary>
    public static Tensor Upload(Tensor tensor, double[] values)
    {
        tensor.Device.CopyIn(tensor.Address, Elements.Encode(values, tensor.DType), default);
        return tensor;
    }

    /// <summary>The numbers of a tensor of any dtype.</summary>
    public static double[] Download(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteCount];
        tensor.Device.CopyOut(tensor.Address, bytes, default);
        return Elements.Decode(bytes, tensor.DType);
    }

    private static double[] Half(Tensor gradient) => Array.ConvertAll(Download(gradient), value => value / 2);

    private static double[] Materialize(Tensor destination, Action<Tensor> write)
    {
        using (destination)
        {
            write(destination);
            destination.Device.Synchronize();
            return Download(destination);
        }
    }

    private sealed class Owned(Tensor[] tensors) : IDisposable
    {
        public void Dispose() => Array.ForEach(tensors, tensor => tensor.Dispose());
    }
}
