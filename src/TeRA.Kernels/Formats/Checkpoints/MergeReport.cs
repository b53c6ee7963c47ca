using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>What a merge did.</summary>
/// <param name="Digest">The adapter's digest, as the checkpoint's metadata now lists it.</param>
/// <param name="Layers">Each changed weight, in the order of the files.</param>
/// <param name="Biases">The biases that the adapter replaced.</param>
public sealed record MergeReport(string Digest, ImmutableArray<MergedLayer> Layers, ImmutableArray<string> Biases)
{
    /// <summary>The largest |α·ΔW| of all layers.</summary>
    public double LargestDelta => Layers.Select(layer => layer.LargestDelta).DefaultIfEmpty().Max();

    /// <summary>The share of all merged layers' weights that are other numbers than before.</summary>
    public double ChangedShare => Layers.Sum(layer => (double)layer.Changed) / Math.Max(1, Layers.Sum(layer => (double)layer.Count));

    /// <summary>The largest rounding of a weight, |W − (W0 + α·ΔW)|.</summary>
    public double LargestRounding => Layers.Select(layer => layer.LargestRounding).DefaultIfEmpty().Max();
}
