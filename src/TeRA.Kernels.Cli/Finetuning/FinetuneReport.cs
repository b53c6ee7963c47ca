namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>One way of adapting the network, as measured on held-out images.</summary>
/// <param name="Method">Its name.</param>
/// <param name="TrainedNumbers">How many numbers were trained; 0 for the base.</param>
/// <param name="Ranks">Largest rank that ΔW of each layer can have; empty for the base.</param>
/// <param name="SavedBytes">Bytes of what has to be kept: the adapter's files, frozen bases with them, or the trained numbers as float32.</param>
/// <param name="Loss">Mean training loss of the last epoch; NaN for the base.</param>
/// <param name="NewTask">Accuracy on the shifted task.</param>
/// <param name="OldTask">Accuracy on the old task with the adapter in place.</param>
/// <param name="Seconds">Training time.</param>
internal sealed record FinetuneRow(
    string Method, long TrainedNumbers, IReadOnlyList<long> Ranks, long SavedBytes, double Loss, double NewTask, double OldTask, double Seconds)
{
    /// <summary>Where the adapter was written; null for a method that has none.</summary>
    public string? Adapter { get; init; }

    /// <summary>The accuracy on the shifted task with the adapter read back from there.</summary>
    public double? ReloadedAccuracy { get; init; }

    /// <summary>Whether the adapter that was read back is the one that was written.</summary>
    public bool IsReadBack => ReloadedAccuracy is null || ReloadedAccuracy == NewTask;
}

/// <summary>Everything that <c>tera finetune</c> found.</summary>
internal sealed record FinetuneReport
{
    public required string Device { get; init; }

    public required string Reason { get; init; }

    public required IReadOnlyList<FinetuneRow> Rows { get; init; }

    /// <summary>The file with the frozen base.</summary>
    public required string BaseFile { get; init; }

    /// <summary>Largest |y − reference| over the trained layers, in units of the largest |reference|.</summary>
    public required double LargestDeviation { get; init; }

    /// <summary>The same as the worst ratio to the bound of float32 rounding; below 1 is within it.</summary>
    public required double DeviationRatio { get; init; }

    public required double TotalSeconds { get; init; }
}
