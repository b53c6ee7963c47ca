namespace TeRA.Kernels;

/// <summary>One trained tensor of a layer with the gradient that backward adds to. Both live as long as the layer, or the group that shares it.</summary>
public sealed class Parameter
{
    internal Parameter(string name, Tensor value, Tensor gradient)
    {
        Name = name;
        Value = value;
        Gradient = gradient;
    }

    /// <summary>The name after the module's in adapter files, for example <c>tera_row.0</c>; <c>bias</c> for a trained bias.</summary>
    public string Name { get; }

    /// <summary>The values: float32, or float64 beside float64 activations. Write to it to load an adapter.</summary>
    public Tensor Value { get; }

    /// <summary>The gradient, accumulated by every backward; same shape and dtype.</summary>
    public Tensor Gradient { get; }

    /// <summary>Belongs to a group of layers, each of which lists it.</summary>
    public bool IsShared { get; internal init; }

    internal void Dispose()
    {
        Value.Dispose();
        Gradient.Dispose();
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Value}";
}
