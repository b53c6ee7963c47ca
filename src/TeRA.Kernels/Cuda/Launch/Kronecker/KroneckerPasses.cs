using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Cuts the modes of a Kronecker product into launches. Neighbouring modes share a launch when their slab fits shared memory; the fewest
/// launches win, and among those the smallest intermediate results. Launches that shrink the tensor go first. A pure function.
/// </summary>
internal static class KroneckerPasses
{
    /// <summary>The launches of <paramref name="step"/>, in order. Lengths of zero are the caller's affair.</summary>
    public static ImmutableArray<KroneckerPass> Plan(KroneckerStep step, DeviceTraits traits)
    {
        for (int count = 1; ; count++)
        {
            ImmutableArray<KroneckerPass>[] candidates =
                [.. Cuts(0, step.Modes.Length, count).Select(groups => Arrange(step, groups, traits)).Where(passes => !passes.IsEmpty)];
            if (candidates.Length > 0)
            {
                return candidates.MinBy(Traffic);
            }
        }
    }

    /// <summary>Elements read and written by all launches together.</summary>
    private static double Traffic(ImmutableArray<KroneckerPass> passes) =>
        passes.Sum(pass => (double)pass.Outer * pass.Inner * (pass.In + pass.Out));

    /// <summary>All ways to cut the modes from <paramref name="start"/> on into <paramref name="count"/> groups of neighbours.</summary>
    private static IEnumerable<ImmutableArray<Range>> Cuts(int start, int modes, int count)
    {
        int longest = Math.Min(SlabPlan.MaxModes, modes - start - (count - 1));
        int shortest = count == 1 ? modes - start : 1;
        for (int length = shortest; length <= longest; length++)
        {
            Range group = start..(start + length);
            IEnumerable<ImmutableArray<Range>> rest = count == 1 ? [[]] : Cuts(start + length, modes, count - 1);
            foreach (ImmutableArray<Range> groups in rest)
            {
                yield return [group, .. groups];
            }
        }
    }

    /// <summary>The groups as launches, those first that shrink most; empty when a group of several modes does not fit.</summary>
    private static ImmutableArray<KroneckerPass> Arrange(KroneckerStep step, ImmutableArray<Range> groups, DeviceTraits traits)
    {
        long[] lengths = [.. step.Modes.Select(mode => mode.In)];
        var passes = ImmutableArray.CreateBuilder<KroneckerPass>(groups.Length);
        foreach (Range group in groups.OrderBy(group => Growth(step.Modes.AsSpan()[group])))
        {
            (int start, int count) = group.GetOffsetAndLength(lengths.Length);
            ImmutableArray<KroneckerMode> modes = step.Modes.Slice(start, count);
            long outer = lengths.AsSpan(0, start).Product() * step.Outer;
            long inner = lengths.AsSpan(start + count).Product() * step.Inner;
            bool first = passes.Count == 0, last = passes.Count == groups.Length - 1;
            var problem = new SlabProblem(
                modes,
                outer,
                inner,
                first ? step.Input?.DType : DType.Float32,
                last ? step.Output.DType : DType.Float32);
            SlabPlan? slab = SlabPlan.Create(problem, traits);
            if (slab is null && count > 1)
            {
                return [];
            }

            passes.Add(new KroneckerPass(modes, outer, inner, slab));
            for (int i = start; i < start + count; i++)
            {
                lengths[i] = step.Modes[i].Out;
            }
        }

        return passes.MoveToImmutable();
    }

    private static double Growth(ReadOnlySpan<KroneckerMode> modes)
    {
        double growth = 1;
        foreach (KroneckerMode mode in modes)
        {
            growth *= (double)mode.Out / mode.In;
        }

        return growth;
    }

    private static long Product(this ReadOnlySpan<long> lengths)
    {
        long product = 1;
        foreach (long length in lengths)
        {
            product = checked(product * length);
        }

        return product;
    }

    private static long Product(this Span<long> lengths) => Product((ReadOnlySpan<long>)lengths);
}
