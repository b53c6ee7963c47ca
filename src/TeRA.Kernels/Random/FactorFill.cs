using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace TeRA.Kernels;

/// <summary>
/// Fills spans of any place and length: whole blocks in pieces that stay in the first-level cache, the blocks cut by either end by the way of a
/// small buffer. The register width is the caller's choice, so that tests can hold every width against the scalar code.
/// </summary>
internal static class FactorFill
{
    /// <summary>"TeRA" xor the format's number.</summary>
    public const uint Tag = 0x54655241 ^ 1;

    private const int PieceWords = 2048;

    /// <summary>By the widest registers that this processor has.</summary>
    public static void Widest(Span<float> destination, RandomSource source, uint stream, ulong firstIndex)
    {
        if (Simd512.IsSupported)
        {
            Vector<Simd512, Vector512<uint>>(destination, source, stream, firstIndex);
        }
        else if (Simd256.IsSupported)
        {
            Vector<Simd256, Vector256<uint>>(destination, source, stream, firstIndex);
        }
        else
        {
            Scalar(destination, source, stream, firstIndex);
        }
    }

    /// <summary>Without vector instructions.</summary>
    public static void Scalar(Span<float> destination, RandomSource source, uint stream, ulong firstIndex) =>
        Each(destination, source, stream, firstIndex, static (elements, source, stream, block) => ScalarBlocks(elements, source, stream, block));

    /// <summary>By registers of one width, which must be supported.</summary>
    public static void Vector<TSimd, TVector>(Span<float> destination, RandomSource source, uint stream, ulong firstIndex)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        Each(destination, source, stream, firstIndex, static (elements, source, stream, block) => VectorBlocks<TSimd, TVector>(elements, source, stream, block));

    private delegate void FillBlocks(Span<float> elements, RandomSource source, uint stream, ulong firstBlock);

    // Splits the range at block boundaries: a cut first block, whole blocks, a cut last block.
    private static void Each(Span<float> destination, RandomSource source, uint stream, ulong firstIndex, FillBlocks fill)
    {
        int perBlock = FactorScalar.ElementsPerBlock(source.Distribution.Kind);
        Span<float> block = stackalloc float[128];
        block = block[..perBlock];
        ulong number = firstIndex / (uint)perBlock;
        int skip = (int)(firstIndex % (uint)perBlock);
        if (skip != 0 && destination.Length > 0)
        {
            ScalarBlocks(block, source, stream, number++);
            int count = Math.Min(perBlock - skip, destination.Length);
            block.Slice(skip, count).CopyTo(destination);
            destination = destination[count..];
        }

        int whole = destination.Length - (destination.Length % perBlock);
        fill(destination[..whole], source, stream, number);
        if (whole < destination.Length)
        {
            ScalarBlocks(block, source, stream, number + (uint)(whole / perBlock));
            block[..(destination.Length - whole)].CopyTo(destination[whole..]);
        }
    }

    private static void ScalarBlocks(Span<float> elements, RandomSource source, uint stream, ulong firstBlock)
    {
        int perBlock = FactorScalar.ElementsPerBlock(source.Distribution.Kind);
        Span<uint> words = stackalloc uint[4];
        for (int i = 0; i < elements.Length; i += perBlock)
        {
            Philox4x32.FillScalar(words, source.Seed, firstBlock++, stream, Tag);
            FactorScalar.Fill(elements.Slice(i, perBlock), words, source.Distribution);
        }
    }

    private static void VectorBlocks<TSimd, TVector>(Span<float> elements, RandomSource source, uint stream, ulong firstBlock)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int perWord = FactorScalar.ElementsPerBlock(source.Distribution.Kind) / 4;
        bool inPlace = perWord == 1;
        Span<uint> buffer = stackalloc uint[inPlace ? 0 : PieceWords];
        int piece = PieceWords * perWord;
        while (elements.Length > 0)
        {
            Span<float> part = elements[..Math.Min(piece, elements.Length)];
            Span<uint> words = inPlace ? MemoryMarshal.Cast<float, uint>(part) : buffer[..(part.Length / perWord)];
            int written = Philox4x32.FillVector<TSimd, TVector>(words, source.Seed, firstBlock, stream, Tag);
            Philox4x32.FillScalar(words[written..], source.Seed, firstBlock + ((uint)written / 4), stream, Tag);
            int done = Transform<TSimd, TVector>(part, words, source.Distribution);
            FactorScalar.Fill(part[done..], words[(done / perWord)..], source.Distribution);
            elements = elements[part.Length..];
            firstBlock += PieceWords / 4;
        }
    }

    private static int Transform<TSimd, TVector>(Span<float> elements, ReadOnlySpan<uint> words, Distribution distribution)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => distribution.Kind switch
        {
            DistributionKind.Normal => FactorElements.Normal<TSimd, TVector>(elements, words),
            DistributionKind.Uniform => FactorElements.Uniform<TSimd, TVector>(elements, words),
            DistributionKind.Rademacher => FactorElements.Rademacher<TSimd, TVector>(elements, words),
            _ => FactorElements.Ternary<TSimd, TVector>(elements, words, distribution.TernaryThreshold, distribution.Magnitude),
        };
}
