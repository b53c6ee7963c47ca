namespace TeRA.Kernels.Planning;

/// <summary>
/// Divides scratch between the shared arena and the memory of the pass's own output, which nobody reads before the pass writes it. A buffer may lie there whose last
/// use comes before the first step that touches the output.
/// </summary>
/// <param name="Bytes">What of the output's memory may be used.</param>
/// <param name="Touched">The first step that touches the output.</param>
internal readonly record struct BorrowedOutput(long Bytes, int Touched)
{
    // All ways of dividing so many buffers are tried; smaller ones stay in the arena.
    private const int MostBuffers = 6;

    /// <summary>Nothing may be borrowed.</summary>
    public static BorrowedOutput None => default;

    /// <summary>The way that takes the smallest arena; of equals the one that borrows the least.</summary>
    public Placement Place(IReadOnlyList<ScratchLayout.Request> requests)
    {
        (long bytes, int touched) = this;
        int[] movable = [.. Enumerable.Range(0, requests.Count)
            .Where(i => requests[i].Last < touched && requests[i].Bytes is > 0 && requests[i].Bytes <= bytes)
            .OrderByDescending(i => requests[i].Bytes)
            .Take(MostBuffers)];
        Placement best = Place(requests, []);
        for (int mask = 1; mask < 1 << movable.Length; mask++)
        {
            Placement placement = Place(requests, [.. movable.Where((_, i) => (mask >> i & 1) != 0)]);
            if (placement.BorrowedBytes <= bytes && (placement.ArenaBytes, placement.BorrowedBytes).CompareTo((best.ArenaBytes, best.BorrowedBytes)) < 0)
            {
                best = placement;
            }
        }

        return best;
    }

    private static Placement Place(IReadOnlyList<ScratchLayout.Request> requests, int[] borrowing)
    {
        int[] staying = [.. Enumerable.Range(0, requests.Count).Except(borrowing)];
        (long[] arena, long arenaBytes) = ScratchLayout.Place([.. staying.Select(i => requests[i])]);
        (long[] borrowed, _) = ScratchLayout.Place([.. borrowing.Select(i => requests[i])]);
        var places = new Location[requests.Count];
        for (int i = 0; i < staying.Length; i++)
        {
            places[staying[i]] = new Location(arena[i], InOutput: false);
        }

        for (int i = 0; i < borrowing.Length; i++)
        {
            places[borrowing[i]] = new Location(borrowed[i], InOutput: true);
        }

        // To the last byte, not to the next multiple: what follows the output is somebody else's.
        long borrowedBytes = borrowing.Select((request, i) => borrowed[i] + requests[request].Bytes).DefaultIfEmpty(0).Max();
        return new Placement(places, arenaBytes, borrowedBytes);
    }

    /// <summary>Where a buffer lies: the offset in the arena, or in the output from its first aligned byte.</summary>
    public readonly record struct Location(long Offset, bool InOutput);

    /// <summary>A place for each request, the bytes of the arena, and the bytes of the output up to the last that is borrowed.</summary>
    public sealed record Placement(Location[] Places, long ArenaBytes, long BorrowedBytes);
}
