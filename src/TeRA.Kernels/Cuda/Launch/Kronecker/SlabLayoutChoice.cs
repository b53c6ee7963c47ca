namespace TeRA.Kernels.Cuda;

/// <summary>A padded row-major layout of a slab: element e lies at e + (e / Span)·Pad. Span is a product of trailing lengths.</summary>
/// <param name="Span">Elements between paddings.</param>
/// <param name="Pad">Floats of one padding; 0 for none.</param>
internal readonly record struct SlabLayoutChoice(int Span, int Pad)
{
    /// <summary>Where element <paramref name="e"/> lies.</summary>
    public int Place(int e) => e + (e / Span * Pad);

    /// <summary>Four elements from a multiple of 4 lie together, aligned.</summary>
    public bool KeepsQuads => Pad == 0 || (Span % 4 == 0 && Pad % 4 == 0);

    /// <summary>Floats of a slab of <paramref name="elements"/>, to a multiple of 4.</summary>
    public int Floats(int elements) => (Place(elements - 1) + 4) / 4 * 4;

    /// <summary>Distance of neighbours along a mode with <paramref name="trailing"/> elements behind each of its entries.</summary>
    public int Stride(int trailing) => Span <= trailing ? trailing + (trailing / Span * Pad) : trailing;

    /// <summary>The unpadded layout and those whose padding takes at most a quarter of the slab.</summary>
    public static IEnumerable<SlabLayoutChoice> Candidates(int[] lengths)
    {
        yield return new SlabLayoutChoice(1, 0);
        int span = 1;
        for (int i = lengths.Length - 1; i > 0; i--)
        {
            span *= lengths[i];
            for (int pad = 1; pad <= 16 && 4 * pad <= span && lengths[i] > 1; pad *= 2)
            {
                yield return new SlabLayoutChoice(span, pad);
            }
        }
    }

    /// <summary>The candidate whose accesses cost the fewest turns of the shared memory; among equals the one with the smallest padding.</summary>
    public static SlabLayoutChoice Best(int[] lengths, IReadOnlyList<SlabAccess> accesses)
    {
        int elements = lengths.Aggregate(1, (product, length) => product * length);
        return Candidates(lengths)
            .OrderBy(layout => accesses.Sum(access => access.Cost(layout, elements)))
            .ThenBy(layout => layout.Place(elements - 1))
            .First();
    }
}
