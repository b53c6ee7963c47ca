namespace TeRA.Kernels;

/// <summary>What runs for one layer and one number of tokens.</summary>
public sealed record LayerPlan
{
    /// <summary>The path taken.</summary>
    public required ExecutionPath Path { get; init; }

    /// <summary>The plan in words: path, reasons, every step, memory.</summary>
    public string Explain() => throw new NotImplementedException();
}
