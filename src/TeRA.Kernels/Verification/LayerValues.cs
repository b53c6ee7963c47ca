namespace TeRA.Kernels.Verification;

/// <summary>All results of one layer problem.</summary>
internal sealed record LayerValues
{
    /// <summary>What <see cref="InputGradient"/> is called.</summary>
    public const string InputGradientName = "dx";

    /// <summary>The path that gave Y.</summary>
    public ExecutionPath Path { get; init; } = ExecutionPath.Merged;

    /// <summary>The path that gave dX, where it is another.</summary>
    public ExecutionPath? BackwardPath { get; init; }

    /// <summary>α·ΔW, N×K; empty when not computed.</summary>
    public double[] Delta { get; init; } = [];

    /// <summary>W0 + α·ΔW, N×K; empty when not computed.</summary>
    public double[] Merged { get; init; } = [];

    /// <summary>Y, B×N.</summary>
    public required double[] Y { get; init; }

    /// <summary>dX, B×K.</summary>
    public required double[] InputGradient { get; init; }

    /// <summary>The gradient of every trained tensor, in the update's order.</summary>
    public required double[][] Gradients { get; init; }

    /// <summary>The gradient of the bias, N; empty when it is not trained.</summary>
    public double[] BiasGradient { get; init; } = [];

    /// <summary>Every result with its name.</summary>
    public IEnumerable<(string Name, QuantityKind Kind, double[] Values)> Quantities(WeightUpdate? update)
    {
        yield return ("delta", QuantityKind.Weight, Delta);
        yield return ("merged", QuantityKind.Weight, Merged);
        yield return ("y", QuantityKind.Activation, Y);
        yield return (InputGradientName, QuantityKind.Activation, InputGradient);
        for (int i = 0; i < Gradients.Length; i++)
        {
            yield return ($"grad:{update!.Trained[i].Name}", QuantityKind.Parameter, Gradients[i]);
        }

        yield return ("grad:bias", QuantityKind.Parameter, BiasGradient);
    }
}
