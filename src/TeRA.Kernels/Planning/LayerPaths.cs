namespace TeRA.Kernels.Planning;

/// <summary>The paths of both passes.</summary>
/// <param name="Forward">Forward's.</param>
/// <param name="Backward">Backward's; forward's where there is none.</param>
internal readonly record struct LayerPaths(ExecutionPath Forward, ExecutionPath Backward)
{
    /// <summary>The same path for both.</summary>
    public LayerPaths(ExecutionPath both)
        : this(both, both)
    {
    }

    /// <inheritdoc/>
    public override string ToString() => Forward == Backward ? Name(Forward) : $"{Name(Forward)}+{Name(Backward)}";

    private static string Name(ExecutionPath path) => path.ToString().ToLowerInvariant();
}
