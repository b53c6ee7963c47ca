using System.Collections.Immutable;
using System.Numerics;

namespace TeRA.Kernels;

/// <summary>
/// Balanced factorisations of a feature count into modes, and ranks for them. Three modes from 512 up, two below, fewer where the
/// divisors don't allow it (a prime stays one mode): of all such products the one with the smallest sum. The modes with the larger odd
/// part stand first, larger ones before smaller ones, so that the last, fastest modes are powers of two wherever possible.
/// </summary>
public static class ModeFactorization
{
    // 512 = 8·8·8: below it three modes would be shorter than a tensor core's tile.
    private const long ThreeModesFrom = 512;

    /// <summary>Proposes modes: 4096 → 16·16·16, 14336 → 28·32·16, 11008 → 43·16·16, 64 → 8·8, 10 → 5·2, 13 → 13.</summary>
    /// <param name="length">N or K, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is below 1 or above 2³¹ − 1.</exception>
    public static ImmutableArray<long> Propose(long length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, int.MaxValue);
        (long first, long second) = BestPair(length);
        ImmutableArray<long> modes = first == 1 ? [length] : [first, second];
        if (length >= ThreeModesFrom && BestTriple(length) is { } triple)
        {
            modes = triple;
        }

        return [.. modes.OrderByDescending(OddPart).ThenByDescending(mode => mode)];
    }

    /// <summary>
    /// Ranks for modes: the longest rank is halved (rounded up, the first of equals) as long as the product stays at least <paramref name="rank"/>.
    /// </summary>
    /// <param name="modes">The modes; also the largest ranks proposed.</param>
    /// <param name="rank">The product wanted at least, 1 or more; anything above the modes' product gives the modes themselves.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rank is below 1.</exception>
    public static ImmutableArray<long> ProposeRanks(ImmutableArray<long> modes, long rank)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        long[] ranks = [.. modes];
        while (true)
        {
            int longest = Array.IndexOf(ranks, ranks.Max());
            long shorter = (ranks[longest] + 1) / 2;
            long product = ranks.Aggregate(1L, (total, length) => checked(total * length)) / ranks[longest] * shorter;
            if (shorter == ranks[longest] || product < rank)
            {
                return [.. ranks];
            }

            ranks[longest] = shorter;
        }
    }

    private static long OddPart(long value) => value >> BitOperations.TrailingZeroCount(value);

    private static (long Smaller, long Larger) BestPair(long length)
    {
        long divisor = (long)Math.Sqrt(length);
        while (length % divisor != 0)
        {
            divisor--;
        }

        return (divisor, length / divisor);
    }

    private static ImmutableArray<long>? BestTriple(long length)
    {
        ImmutableArray<long>? best = null;
        long bestSum = long.MaxValue;
        for (long smallest = 2; smallest * smallest * smallest <= length; smallest++)
        {
            if (length % smallest != 0)
            {
                continue;
            }

            (long first, long second) = BestPair(length / smallest);
            if (first >= smallest && smallest + first + second < bestSum)
            {
                bestSum = smallest + first + second;
                best = [smallest, first, second];
            }
        }

        return best;
    }
}
