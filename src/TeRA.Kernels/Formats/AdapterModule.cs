using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One module of an adapter, fitted to its weight's size.</summary>
public sealed class AdapterModule
{
    private readonly Func<int, float[]> read;
    private readonly Func<float[]>? readBias;

    internal AdapterModule(string name, WeightUpdate update, ImmutableArray<string> tensorNames, Func<int, float[]> read, string? biasName = null, Func<float[]>? readBias = null)
    {
        Name = name;
        Update = update;
        TensorNames = tensorNames;
        BiasName = biasName;
        this.read = read;
        this.readBias = readBias;
    }

    /// <summary>The module's full name in the base model.</summary>
    public string Name { get; }

    /// <summary>ΔW as data.</summary>
    public WeightUpdate Update { get; }

    /// <summary>The name in the adapter's file of each tensor that the update trains, in its order.</summary>
    public ImmutableArray<string> TensorNames { get; }

    /// <summary>The name in the file of the bias that the adapter puts in the place of the base's; null if it trains none.</summary>
    public string? BiasName { get; }

    /// <summary>Reads the values of one trained tensor.</summary>
    /// <param name="trained">Index into <see cref="WeightUpdate.Trained"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The update trains no such tensor.</exception>
    /// <exception cref="ObjectDisposedException">The adapter is disposed.</exception>
    public float[] ReadTrained(int trained)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(trained);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(trained, TensorNames.Length);
        return read(trained);
    }

    /// <summary>Reads the bias that takes the place of the base's.</summary>
    /// <exception cref="InvalidOperationException">The adapter trains no bias here.</exception>
    public float[] ReadBias() => readBias is null
        ? throw new InvalidOperationException($"The adapter trains no bias of {Name}; ask BiasName first.")
        : readBias();
}
