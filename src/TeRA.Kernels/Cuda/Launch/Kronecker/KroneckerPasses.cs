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
        var search = new Search(step, traits);
        search.Extend([], 0);
        return search.Best;
    }

    private sealed class Search(KroneckerStep step, DeviceTraits traits)
    {
        private readonly List<int> bestCuts = [];
        private double bestTraffic = double.PositiveInfinity;

        public ImmutableArray<KroneckerPass> Best { get; private set; } = [];

        /// <summary>Tries every last mode of the next group, the longest group first, so that few launches are found early.</summary>
        public void Extend(ImmutableArray<Range> groups, int start)
        {
            if (start == step.Modes.Length)
            {
                Consider(groups);
                return;
            }

            if (!Best.IsEmpty && groups.Length >= Best.Length)
            {
                return;
            }

            for (int end = Math.Min(step.Modes.Length, start + SlabPlan.MaxModes); end > start; end--)
            {
                Extend(groups.Add(start..end), end);
            }
        }

        private void Consider(ImmutableArray<Range> groups)
        {
            ImmutableArray<KroneckerPass> passes = Arrange(step, groups, traits);
            if (passes.IsEmpty)
            {
                return;
            }

            double traffic = passes.Sum(pass => (double)pass.Outer * pass.Inner * (pass.In + pass.Out));
            if (Best.IsEmpty || passes.Length < Best.Length || (passes.Length == Best.Length && traffic < bestTraffic))
            {
                (Best, bestTraffic) = (passes, traffic);
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
