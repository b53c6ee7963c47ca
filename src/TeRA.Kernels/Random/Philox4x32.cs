using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace TeRA.Kernels;

/// <summary>Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11): four words as a pure function of a counter and a key.</summary>
internal static class Philox4x32
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint KeyIncrement0 = 0x9E3779B9;
    private const uint KeyIncrement1 = 0xBB67AE85;

    /// <summary>The four words of one counter.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Generate(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0;
            ulong p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 = unchecked(k0 + KeyIncrement0);
            k1 = unchecked(k1 + KeyIncrement1);
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>
    /// The words of consecutive counters, one counter at a time: counter i is (low and high word of <paramref name="firstBlock"/> + i,
    /// <paramref name="c2"/>, <paramref name="c3"/>).
    /// </summary>
    /// <param name="words">Receives four words a counter; its length is a multiple of 4.</param>
    /// <param name="key">k0 in the low half, k1 in the high half.</param>
    /// <param name="firstBlock">First 64-bit block number.</param>
    /// <param name="c2">Third word of every counter.</param>
    /// <param name="c3">Fourth word of every counter.</param>
    public static void FillScalar(Span<uint> words, ulong key, ulong firstBlock, uint c2, uint c3)
    {
        for (int i = 0; i < words.Length; i += 4)
        {
            ulong block = firstBlock + ((uint)i / 4);
            (words[i], words[i + 1], words[i + 2], words[i + 3]) =
                Generate((uint)block, (uint)(block >> 32), c2, c3, (uint)key, (uint)(key >> 32));
        }
    }

    /// <summary>As <see cref="FillScalar"/>, in whole registers; returns the number of words written, and leaves the rest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int FillVector<TSimd, TVector>(Span<uint> words, ulong key, ulong firstBlock, uint c2, uint c3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int step = 2 * TSimd.Words;
        int end = words.Length - (words.Length % step);
        ref uint start = ref MemoryMarshal.GetReference(words);
        TVector blocks = TSimd.Add64(TSimd.Splat64(firstBlock), TSimd.LaneBlocks);
        for (int i = 0; i < end; i += step)
        {
            State<TVector> state = new(blocks, TSimd.ShiftRight64By32(blocks), TSimd.Splat64(c2), TSimd.Splat64(c3));
            state = Rounds<TSimd, TVector>(state, (uint)key, (uint)(key >> 32));

            // The lanes' block order makes these two unpacks give the words in the order of memory.
            TVector x01 = TSimd.JoinLow32(state.C0, state.C1);
            TVector x23 = TSimd.JoinLow32(state.C2, state.C3);
            TSimd.Store(TSimd.UnpackLow64(x01, x23), ref Unsafe.Add(ref start, i));
            TSimd.Store(TSimd.UnpackHigh64(x01, x23), ref Unsafe.Add(ref start, i + TSimd.Words));
            blocks = TSimd.Add64(blocks, TSimd.Splat64((uint)step / 4));
        }

        return end;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static State<TVector> Rounds<TSimd, TVector>(State<TVector> state, uint k0, uint k1)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        unchecked
        {
            state = Round<TSimd, TVector>(state, k0, k1);
            state = Round<TSimd, TVector>(state, k0 + KeyIncrement0, k1 + KeyIncrement1);
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 2), k1 + (KeyIncrement1 * 2));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 3), k1 + (KeyIncrement1 * 3));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 4), k1 + (KeyIncrement1 * 4));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 5), k1 + (KeyIncrement1 * 5));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 6), k1 + (KeyIncrement1 * 6));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 7), k1 + (KeyIncrement1 * 7));
            state = Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 8), k1 + (KeyIncrement1 * 8));
            return Round<TSimd, TVector>(state, k0 + (KeyIncrement0 * 9), k1 + (KeyIncrement1 * 9));
        }
    }

    // A counter's words lie in the low halves of 64-bit lanes; the high halves hold leftovers that no operation reads.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static State<TVector> Round<TSimd, TVector>(State<TVector> c, uint k0, uint k1)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector p0 = TSimd.MultiplyLow32(c.C0, TSimd.Splat64(Multiplier0));
        TVector p1 = TSimd.MultiplyLow32(c.C2, TSimd.Splat64(Multiplier1));
        return new State<TVector>(
            TSimd.Xor3(TSimd.ShiftRight64By32(p1), c.C1, TSimd.Splat(k0)),
            p1,
            TSimd.Xor3(TSimd.ShiftRight64By32(p0), c.C3, TSimd.Splat(k1)),
            p0);
    }

    private readonly struct State<TVector>(TVector c0, TVector c1, TVector c2, TVector c3)
    {
        public readonly TVector C0 = c0;
        public readonly TVector C1 = c1;
        public readonly TVector C2 = c2;
        public readonly TVector C3 = c3;
    }
}
