using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>What differs between PEFT's methods: names, shapes, and the update that they describe.</summary>
internal abstract class PeftMethod(AdapterConfig config)
{
    /// <summary>A length that only the base model can tell.</summary>
    public const long AnyLength = -1;

    public AdapterConfig Config { get; } = config;

    /// <summary>The parameters of a module, in the order of the update's trained tensors.</summary>
    public abstract ImmutableArray<string> Parameters { get; }

    /// <summary>The value of the key "bias" for biases of adapted modules alone.</summary>
    public abstract string OwnBiases { get; }

    /// <summary>The shapes of the parameters; <see cref="AnyLength"/> where the size of the weight decides and isn't known.</summary>
    public abstract ImmutableArray<ImmutableArray<long>> Shapes(string module, LayerSize? size);

    /// <summary>The update of a module.</summary>
    /// <param name="module">Its name.</param>
    /// <param name="size">The size of its weight.</param>
    /// <param name="projection">The shared frozen bases; null for methods without any.</param>
    public abstract WeightUpdate Update(string module, LayerSize size, Projection? projection);
}
