namespace TeRA.Kernels.Planning;

/// <summary>Places scratch buffers so that those alive at the same time don't overlap: first fit, in order of first use.</summary>
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
        var offsets = new long[requests.Count];
        long total = 0;
        foreach (int i in Enumerable.Range(0, requests.Count).OrderBy(i => requests[i].First))
        {
            offsets[i] = FirstFit(requests, offsets, i);
            total = Math.Max(total, offsets[i] + Align(requests[i].Bytes));
        }

        return (offsets, total);
    }

    private static long FirstFit(IReadOnlyList<Request> requests, long[] offsets, int wanted)
    {
        Request request = requests[wanted];
        long offset = 0;
        IEnumerable<int> neighbours = Enumerable.Range(0, requests.Count)
            .Where(other => IsPlacedBefore(requests, other, wanted) && requests[other].Last >= request.First)
            .OrderBy(other => offsets[other]);
        foreach (int other in neighbours)
        {
            if (offset + Align(request.Bytes) <= offsets[other])
            {
                break;
            }

            offset = Math.Max(offset, offsets[other] + Align(requests[other].Bytes));
        }

        return offset;
    }

    private static bool IsPlacedBefore(IReadOnlyList<Request> requests, int other, int wanted) =>
        requests[other].First < requests[wanted].First || (requests[other].First == requests[wanted].First && other < wanted);
}
