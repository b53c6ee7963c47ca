using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>The trained vectors of one module: all that a TeRA adapter stores of it.</summary>
/// <param name="Rows">d₁…d_p, lengths R₁…R_p.</param>
/// <param name="Columns">e₁…e_q, lengths S₁…S_q.</param>
public sealed record TeraVectors(ImmutableArray<ImmutableArray<float>> Rows, ImmutableArray<ImmutableArray<float>> Columns)
{
    /// <summary>All vectors, in the order of <see cref="WeightUpdate.Trained"/>.</summary>
    public IEnumerable<ImmutableArray<float>> All => Rows.Concat(Columns);

    /// <summary>The same vectors, given in the order of <see cref="WeightUpdate.Trained"/>.</summary>
    /// <exception cref="ArgumentException">The number of vectors or a length differs from what the update trains.</exception>
    public static TeraVectors Of(TeraUpdate update, IReadOnlyList<float[]> vectors)
    {
        ArgumentNullException.ThrowIfNull(update);
        ArgumentNullException.ThrowIfNull(vectors);
        long[] expected = [.. update.RowRanks, .. update.ColumnRanks];
        if (!expected.SequenceEqual(vectors.Select(vector => (long)vector.Length)))
        {
            throw new ArgumentException($"Expected vectors of lengths {string.Join(", ", expected)}, found {string.Join(", ", vectors.Select(vector => vector.Length))}.", nameof(vectors));
        }

        ImmutableArray<float>[] all = [.. vectors.Select(vector => ImmutableArray.Create(vector))];
        int rows = update.RowRanks.Length;
        return new TeraVectors([.. all.Take(rows)], [.. all.Skip(rows)]);
    }

    /// <summary>Whether these are vectors of the update's lengths.</summary>
    internal bool Fits(TeraUpdate update) =>
        update.RowRanks.SequenceEqual(Rows.Select(row => (long)row.Length)) && update.ColumnRanks.SequenceEqual(Columns.Select(column => (long)column.Length));
}
