namespace TeRA.Kernels;

/// <summary>Choices of <see cref="CheckpointMerge"/>.</summary>
public sealed record MergeOptions
{
    /// <summary>Where the weights are computed; the CPU if null.</summary>
    public Device? Device { get; init; }

    /// <summary>Where the changed tensors' own bits are kept, for <see cref="CheckpointMerge.Unmerge"/>; null: nowhere.</summary>
    public string? Backup { get; init; }

    /// <summary>Whether files that are already there may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// Whether <see cref="CheckpointMerge.Unmerge"/> takes a backup of an early version, which has no hashes. Then only the adapter, the names, dtypes and
    /// shapes are checked, not the bytes. Hashes that are there are always checked.
    /// </summary>
    public bool AllowUncheckedBackup { get; init; }

    /// <summary>How the adapter is opened.</summary>
    public AdapterLoadOptions Load { get; init; } = new();

    /// <summary>Told of every tensor that was written.</summary>
    public Action<MergeProgress>? Progress { get; init; }

    /// <summary>Ends the work between two tensors; nothing is left behind.</summary>
    public CancellationToken Cancellation { get; init; }
}
