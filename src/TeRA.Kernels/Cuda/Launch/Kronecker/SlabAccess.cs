namespace TeRA.Kernels.Cuda;

/// <summary>
/// How the warps of a kernel walk over a slab, for counting bank conflicts: lane l of access n touches
/// <paramref name="Width"/> neighbouring elements from <paramref name="Element"/>(32·n + l) on.
/// </summary>
/// <param name="Element">From the number of a fibre or granule to the first element.</param>
/// <param name="Count">Fibres or granules.</param>
/// <param name="Width">Elements of each; more than one are taken in quads where the layout keeps those together.</param>
/// <param name="Repeats">How often the whole walk is done.</param>
internal sealed record SlabAccess(Func<int, int> Element, int Count, int Width, double Repeats)
{
    private const int Banks = 32;
    private const int SampledWarps = 4;

    /// <summary>Turns (one 128-byte row of all banks) that the walk takes under a layout, from its first warps.</summary>
    public double Cost(SlabLayoutChoice layout, int elements)
    {
        int warps = (Count + 31) / 32;
        int sampled = Math.Min(warps, SampledWarps);
        double turns = 0;
        for (int warp = 0; warp < sampled; warp++)
        {
            turns += Turns(layout, 32 * warp, elements);
        }

        return turns / sampled * warps * Repeats;
    }

    private int Turns(SlabLayoutChoice layout, int first, int elements)
    {
        int lanes = Math.Min(32, Count - first);
        bool quads = Width % 4 == 0 && layout.KeepsQuads;
        // A read of 16 bytes is done for 8 lanes at a time.
        int group = quads ? 8 : 32;
        int step = quads ? 4 : 1;
        int turns = 0;
        for (int lane = 0; lane < lanes; lane += group)
        {
            for (int offset = 0; offset < Width; offset += step)
            {
                turns += Conflicts(layout, first + lane, Math.Min(group, lanes - lane), offset, step, elements);
            }
        }

        return turns;
    }

    private int Conflicts(SlabLayoutChoice layout, int first, int lanes, int offset, int words, int elements)
    {
        Span<int> perBank = stackalloc int[Banks];
        perBank.Clear();
        for (int lane = 0; lane < lanes; lane++)
        {
            int place = layout.Place(Math.Min(Element(first + lane) + offset, elements - 1));
            for (int word = 0; word < words; word++)
            {
                perBank[(place + word) % Banks]++;
            }
        }

        int most = 0;
        foreach (int count in perBank)
        {
            most = Math.Max(most, count);
        }

        return most;
    }
}
