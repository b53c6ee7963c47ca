using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>A layer with data on a device, in any dtype, as float64 numbers to the tests. Everything it wrote is disposed with it.</summary>
internal sealed class LayerFixture : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly Device device;
    private readonly DType dtype;

    public LayerFixture(Device device, LayerCase problem, DType dtype, long tokens)
    {
        this.device = device;
        this.dtype = dtype;
        Tokens = tokens;
        Weight = Normal(1, 0.5, problem.OutFeatures, problem.InFeatures);
        Bias = problem.Bias ? Normal(2, 1, problem.OutFeatures) : null;
        Layer = new AdaptedLinear(device, Weight, Bias, problem.Update, problem.Options);
        owned.Add(Layer);
        RandomiseParameters(10);
        X = Normal(3, 1, tokens, problem.InFeatures);
        OutputGradient = Normal(4, 1, tokens, problem.OutFeatures);
        Y = NaN(tokens, problem.OutFeatures);
        InputGradient = NaN(tokens, problem.InFeatures);
        Context = new LayerContext();
        owned.Add(Context);
    }

    public long Tokens { get; }

    public AdaptedLinear Layer { get; }

    public LayerContext Context { get; }

    public Tensor Weight { get; }

    public Tensor? Bias { get; }

    public Tensor X { get; }

    public Tensor Y { get; }

    public Tensor OutputGradient { get; }

    public Tensor InputGradient { get; }

    /// <summary>Parameters away from their start, where ΔW is not zero.</summary>
    public void RandomiseParameters(ulong seed)
    {
        foreach (Parameter parameter in Layer.Parameters)
        {
            Write(parameter.Value, SeededValues.AwayFromZero(parameter.Value.ElementCount, seed++, DType.Float32));
        }
    }

    public double[] Forward()
    {
        Layer.Forward(X, Y, Context);
        return Read(Y);
    }

    public (double[] InputGradient, double[][] Gradients) Backward()
    {
        Layer.Backward(Context, X, OutputGradient, InputGradient);
        return (Read(InputGradient), [.. Layer.Parameters.Select(parameter => Read(parameter.Gradient))]);
    }

    /// <summary>Normal numbers, representable in the dtype.</summary>
    public Tensor Normal(ulong seed, double scale, params long[] shape) =>
        From(SeededValues.Normal(shape.Aggregate(1L, (product, length) => product * length), seed, dtype, scale), shape);

    /// <summary>A tensor to be overwritten: reading it would show.</summary>
    public Tensor NaN(params long[] shape)
    {
        Tensor tensor = device.Allocate(dtype, shape);
        owned.Add(tensor);
        device.Fill(tensor.Address, 0xFF, tensor.ByteCount, default);
        return tensor;
    }

    public Tensor From(double[] values, params long[] shape)
    {
        Tensor tensor = device.Allocate(dtype, shape);
        owned.Add(tensor);
        Write(tensor, values);
        return tensor;
    }

    public static double[] Read(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteCount];
        tensor.Device.CopyOut(tensor.Address, bytes, default);
        return Elements.Decode(bytes, tensor.DType);
    }

    public static void Write(Tensor tensor, double[] values) => tensor.Device.CopyIn(tensor.Address, Elements.Encode(values, tensor.DType), default);

    public void Dispose()
    {
        foreach (IDisposable item in owned)
        {
            item.Dispose();
        }
    }
}
