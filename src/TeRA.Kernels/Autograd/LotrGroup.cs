namespace TeRA.Kernels;

/// <summary>
/// The layers that share one trained L and R of LoTR. The group owns the two parameters; every layer made with <see cref="Given"/> reads them and adds to
/// their gradients, in the order in which the backwards are submitted: the same bits in every run. Hand them to the optimiser with the layers' own
/// parameters; listed once for each layer they are still updated once.
/// </summary>
/// <example>
/// <code>
/// using var group = new LotrGroup("attention", device, DType.BFloat16, new LotrUpdate(4096, 4096, 64, LotrSides.Trained));
/// using var query = new AdaptedLinear(device, queryWeight, null, group.Update, given: group.Given);
/// using var value = new AdaptedLinear(device, valueWeight, null, group.Update, given: group.Given);
/// </code>
/// </example>
public sealed class LotrGroup : IDisposable
{
    private readonly Parameter[] parameters;

    /// <summary>Makes L and R with their starting values.</summary>
    /// <param name="name">The group's name.</param>
    /// <param name="device">Where the layers are.</param>
    /// <param name="dtype">Of the layers' weights.</param>
    /// <param name="update">What every layer of the group has, with trained sides.</param>
    /// <exception cref="ArgumentException">The name is empty, or the update's sides are frozen.</exception>
    public LotrGroup(string name, Device device, DType dtype, LotrUpdate update)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(update);
        if (update.Sides != LotrSides.Trained)
        {
            throw new ArgumentException("Expected an update with trained sides, found frozen ones: they are regenerated from the seed and need no group.", nameof(update));
        }

        Name = name;
        Update = update;
        parameters = LayerParameters.Create(device, dtype.ParameterDType(), [.. update.Trained.Where(tensor => tensor.IsShared)], update.StartSource);
    }

    /// <summary>The group's name.</summary>
    public string Name { get; }

    /// <summary>The update of every layer of the group.</summary>
    public LotrUpdate Update { get; }

    /// <summary>L, then R.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>What each layer is given.</summary>
    public GivenTensors Given => new() { Shared = parameters };

    /// <summary>Releases L and R and their gradients. The layers must not be used any more, and work in flight must be done.</summary>
    public void Dispose()
    {
        foreach (Parameter parameter in parameters)
        {
            parameter.Dispose();
        }
    }
}
