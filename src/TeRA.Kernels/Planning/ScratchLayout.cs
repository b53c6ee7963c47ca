namespace TeRA.Kernels.Planning;

/// <summary>
/// Places scratch buffers so that those alive at the same time don't overlap: each at the first offset that fits, in order of first use or in order of size, whichever
/// takes less.
/// </summary>
internal static class ScratchLayout
{
    /// <summary>Every buffer starts at a multiple of it.</summary>
    public const long Alignment = 256;

    /// <summary>Rounds up to the alignment.</summary>
    public static long Align(long bytes) => checked(bytes + Alignment - 1) / Alignment * Alignment;

    /// <summary>One buffer: bytes and the first and last step that touch it.</summary>
    public readonly record struct Request(long Bytes, int First, int Last);

    /// <summary>An offset for each request, and the bytes of all.</summary>
    public static (long[] Offsets, long Total) Place(IReadOnlyList<Request> requests)
    {
        IEnumerable<int> all = Enumerable.Range(0, requests.Count);
        (long[] Offsets, long Total) byUse = Place(requests, [.. all.OrderBy(i => requests[i].First)]);
        (long[] Offsets, long Total) bySize = Place(requests, [.. all.OrderByDescending(i => requests[i].Bytes)]);
        return bySize.Total < byUse.Total ? bySize : byUse;
    }

    private static (long[] Offsets, long Total) Place(IReadOnlyList<Request> requests, int[] order)
    {
        var offsets = new long[requests.Count];
        long total = 0;
        for (int i = 0; i < order.Length; i++)
        {
            offsets[order[i]] = FirstFit(requests, offsets, order.AsSpan(0, i), requests[order[i]]);
            total = Math.Max(total, offsets[order[i]] + Align(requests[order[i]].Bytes));
        }

        return (offsets, total);
    }

    private static long FirstFit(IReadOnlyList<Request> requests, long[] offsets, ReadOnlySpan<int> placed, Request wanted)
    {
        List<int> neighbours = [];
        foreach (int other in placed)
        {
            if (requests[other].First <= wanted.Last && wanted.First <= requests[other].Last)
            {
                neighbours.Add(other);
            }
        }

        long offset = 0;
        foreach (int other in neighbours.OrderBy(other => offsets[other]))
        {
            if (offset + Align(wanted.Bytes) <= offsets[other])
            {
                break;
            }

            offset = Math.Max(offset, offsets[other] + Align(requests[other].Bytes));
        }

        return offset;
    }
}
