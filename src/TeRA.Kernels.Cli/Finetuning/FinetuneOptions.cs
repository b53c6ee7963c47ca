using System.Collections.Immutable;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>What <c>tera finetune</c> was asked for.</summary>
internal sealed record FinetuneOptions
{
    public required int Hidden { get; init; }

    public required int Seed { get; init; }

    public required int Epochs { get; init; }

    public required int PretrainEpochs { get; init; }

    public required int Batch { get; init; }

    public required float LearningRate { get; init; }

    public required double Scale { get; init; }

    public required Distribution Distribution { get; init; }

    /// <summary>Modes for layer sides of a given length; others are proposed.</summary>
    public required IReadOnlyDictionary<long, ImmutableArray<long>> Modes { get; init; }

    /// <summary>Ranks for layer sides of a given length; others are the modes themselves (full rank).</summary>
    public required IReadOnlyDictionary<long, ImmutableArray<long>> Ranks { get; init; }

    /// <summary>What TeRA is compared with, in order.</summary>
    public required ImmutableArray<ComparedMethod> Methods { get; init; }

    /// <summary>Where the adapter is written; null for a temporary folder.</summary>
    public required string? Out { get; init; }

    public required bool Force { get; init; }

    /// <summary>The TeRA update of one layer.</summary>
    public TeraUpdate Update(LayerWeights layer)
    {
        (ImmutableArray<long> rows, ImmutableArray<long> rowRanks) = Side(layer.OutFeatures);
        (ImmutableArray<long> columns, ImmutableArray<long> columnRanks) = Side(layer.InFeatures);
        return new TeraUpdate(rows, rowRanks, columns, columnRanks, (ulong)Seed, Distribution, Scale);
    }

    /// <summary>Refuses modes and ranks that no layer has, before anything is trained.</summary>
    public void CheckSides()
    {
        long[] sides = [Digits.Pixels, Hidden, Digits.Classes];
        foreach ((string option, IEnumerable<long> lengths) in new[] { ("--modes", Modes.Keys), ("--ranks", Ranks.Keys) })
        {
            foreach (long length in lengths.Where(length => !sides.Contains(length)))
            {
                throw new UsageException($"{option}: no layer has a side of {length}; the network's are {string.Join(", ", sides.Distinct())}.");
            }
        }

        foreach (long side in sides)
        {
            _ = Side(side);
        }
    }

    private (ImmutableArray<long> Modes, ImmutableArray<long> Ranks) Side(long length)
    {
        ImmutableArray<long> modes = Modes.TryGetValue(length, out ImmutableArray<long> given) ? given : ModeFactorization.Propose(length);
        ImmutableArray<long> ranks = Ranks.TryGetValue(length, out ImmutableArray<long> wanted) ? wanted : modes;
        if (modes.Aggregate(1L, (product, mode) => product * mode) != length)
        {
            throw new UsageException($"--modes: the product of {string.Join('x', modes)} is not {length}.");
        }

        if (ranks.Length != modes.Length)
        {
            throw new UsageException($"--ranks: {length} has {modes.Length} modes, but {ranks.Length} ranks were given.");
        }

        return (modes, ranks);
    }
}
