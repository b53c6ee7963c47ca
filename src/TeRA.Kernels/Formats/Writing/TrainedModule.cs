namespace TeRA.Kernels;

/// <summary>A module as it is to be saved.</summary>
/// <param name="Name">Its full name in the base model.</param>
/// <param name="Update">ΔW as data.</param>
/// <param name="Values">The values of each tensor that the update trains, in its order.</param>
public sealed record TrainedModule(string Name, WeightUpdate Update, IReadOnlyList<float[]> Values)
{
    /// <summary>The trained bias that takes the place of the base's; null for none.</summary>
    public float[]? Bias { get; init; }

    /// <summary>A layer as it is now.</summary>
    /// <exception cref="ArgumentException">The layer has no update.</exception>
    public static TrainedModule Of(string name, AdaptedLinear layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        WeightUpdate update = layer.Update ?? throw new ArgumentException("Expected a layer with an update, found a plain one.", nameof(layer));
        layer.Device.Synchronize();
        int count = update.Trained.Length;
        return new TrainedModule(name, update, [.. layer.Parameters.Take(count).Select(Values)])
        {
            Bias = layer.Parameters.Count > count ? Values(layer.Parameters[^1]) : null,
        };

        static float[] Values(Parameter parameter) => parameter.Value.DType == DType.Float32
            ? parameter.Value.ToArray<float>()
            : Array.ConvertAll(parameter.Value.ToArray<double>(), value => (float)value);
    }
}
