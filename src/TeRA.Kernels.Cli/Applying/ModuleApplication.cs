using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Cli.Applying;

/// <summary>
/// One module through the library's own paths: y = x·W0ᵀ + b + α·x·ΔWᵀ, and backward when asked for. Computes in the dtype of x when the
/// weight has the same one, else in float32 (float64 if one of them is); results have the dtype of x, gradients of trained tensors float32 (float64 beside float64).
/// </summary>
internal sealed class ModuleApplication(
    Device device, Checkpoint baseModel, SafetensorsFile input, AdapterBinding binding, ApplyOptions options)
{
    public ModuleResult Run(string module)
    {
        SafetensorsEntry weight = baseModel.Entry(module + ".weight");
        SafetensorsEntry x = input.Entry(module + ".x");
        (long n, long k) = Size(weight);
        DType dtype = ComputeDType(weight, x);
        using Tensor w0 = LoadWeight(weight.Name, dtype);
        using Tensor? bias = baseModel.Contains(module + ".bias") ? LoadBias(module, n, dtype) : null;
        using Tensor xs = LoadActivation(x.Name, k, dtype, null);
        using AdaptedLinear layer = binding.CreateLayer(module, device, w0, bias, new AdaptedLinearOptions { Path = options.Path });
        using Tensor y = device.Allocate(dtype, [.. xs.Shape[..^1], n]);
        using LayerContext? context = options.Gradients ? new LayerContext() : null;
        layer.Forward(xs, y, context);
        var results = new List<(string, Tensor)> { (module + ".y", ToHost(y, x)) };
        if (context is not null)
        {
            Backward(module, layer, context, xs, x, results);
        }

        long tokens = xs.ElementCount / Math.Max(k, 1);
        LayerPlan plan = options.Gradients ? layer.Plan(tokens) : layer.EvaluationPlan(tokens);
        return new ModuleResult(module, $"{n}x{k}, {tokens} tokens, {dtype.Label()}, {plan.PathName}", results);
    }

    /// <summary>Gradients start at zero; those that a group of modules shares add up from module to module.</summary>
    private void Backward(string module, AdaptedLinear layer, LayerContext context, Tensor xs, SafetensorsEntry x, List<(string, Tensor)> results)
    {
        using Tensor dy = LoadActivation(module + ".dy", layer.OutFeatures, xs.DType, x);
        using Tensor dx = device.Allocate(xs.DType, xs.Shape);
        layer.Backward(context, xs, dy, dx);
        results.Add((module + ".dx", ToHost(dx, x)));
        foreach ((Parameter parameter, string name) in layer.Parameters.Zip(Names(binding.Module(module))))
        {
            results.Add(($"grad:{name}", ToHost(parameter.Gradient, parameter.Gradient.DType)));
        }
    }

    /// <summary>The names in the adapter's file of the layer's parameters: the update's tensors, then the bias if it is trained.</summary>
    private static IEnumerable<string> Names(AdapterModule module) => module.BiasName is { } bias ? module.TensorNames.Append(bias) : module.TensorNames;

    private (long N, long K) Size(SafetensorsEntry weight) => weight.Shape.Length != 2
        ? throw new FileFormatException(baseModel.Path, "shape-mismatch", $"{weight.Name}: expected a matrix [N, K], found {weight}.")
        : binding.IsBaseTransposed ? (weight.Shape[1], weight.Shape[0])
        : (weight.Shape[0], weight.Shape[1]);

    private Tensor LoadWeight(string name, DType dtype)
    {
        if (!binding.IsBaseTransposed)
        {
            return Load(baseModel.FileOf(name), name, dtype);
        }

        using Tensor stored = baseModel.FileOf(name).ToTensor(name, CpuDevice.Shared);
        return HostTensors.Convert(TransposedWeight.Of(stored), dtype, device);
    }

    private DType ComputeDType(SafetensorsEntry weight, SafetensorsEntry x)
    {
        DType w = DTypeOf(baseModel.FileOf(weight.Name), weight), a = DTypeOf(input, x);
        DType dtype = w == a ? w : w == DType.Float64 || a == DType.Float64 ? DType.Float64 : DType.Float32;
        return device.Supports(dtype) ? dtype : throw new UsageException($"{weight.Name} and {x.Name} need {dtype.Label()}, which {device.Id} doesn't compute; use --device cpu.");
    }

    private static DType DTypeOf(SafetensorsFile file, SafetensorsEntry entry) => entry.DType switch
    {
        SafetensorsDType.F32 => DType.Float32,
        SafetensorsDType.F64 => DType.Float64,
        SafetensorsDType.BF16 => DType.BFloat16,
        SafetensorsDType.F16 => DType.Float16,
        _ => throw new FileFormatException(file.Path, "wrong-dtype", $"{entry.Name}: expected F32, BF16, F16 or F64, found {entry}."),
    };

    private Tensor LoadBias(string module, long n, DType dtype)
    {
        SafetensorsEntry entry = baseModel.Entry(module + ".bias");
        return entry.Shape.SequenceEqual([n])
            ? Load(baseModel.FileOf(entry.Name), entry.Name, dtype)
            : throw new FileFormatException(baseModel.Path, "shape-mismatch", $"{entry.Name}: expected [{n}], found {entry}.");
    }

    /// <summary>An activation whose last dimension is <paramref name="features"/>; the others are those of <paramref name="like"/>, if given.</summary>
    private Tensor LoadActivation(string name, long features, DType dtype, SafetensorsEntry? like)
    {
        SafetensorsEntry entry = input.Entry(name);
        bool fits = entry.Shape.Length > 0 && entry.Shape[^1] == features
            && (like is null || entry.Shape.AsSpan()[..^1].SequenceEqual(like.Shape.AsSpan()[..^1]));
        return fits
            ? Load(input, name, dtype)
            : throw new FileFormatException(
                input.Path, "shape-mismatch",
                $"{name}: expected [{(like is null ? "…" : string.Join(", ", like.Shape[..^1]))}, {features}], found {entry}.");
    }

    private Tensor Load(SafetensorsFile file, string name, DType dtype) =>
        HostTensors.Convert(file.ToTensor(name, CpuDevice.Shared), dtype, device);

    private Tensor ToHost(Tensor tensor, SafetensorsEntry like) => ToHost(tensor, DTypeOf(input, like));

    private static Tensor ToHost(Tensor tensor, DType dtype) => HostTensors.ToHost(tensor, dtype);
}
