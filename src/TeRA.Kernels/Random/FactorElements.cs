using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels;

/// <summary>
/// From the generator's words to elements, one distribution a method, in registers of any width. Each method serves as many elements as fill
/// whole registers and returns that number; <see cref="FactorScalar"/> does the rest, and gives the same bits.
/// </summary>
internal static class FactorElements
{
    /// <summary>Standard normals, one a word; destination and words may be the same memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Normal<TSimd, TVector>(Span<float> destination, ReadOnlySpan<uint> words)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int step = 2 * TSimd.Words;
        int end = destination.Length - (destination.Length % step);
        ref uint input = ref MemoryMarshal.GetReference(words);
        ref uint output = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<float, uint>(destination));
        for (int i = 0; i < end; i += step)
        {
            TVector low = TSimd.Load(ref Unsafe.Add(ref input, i));
            TVector high = TSimd.Load(ref Unsafe.Add(ref input, i + TSimd.Words));
            TVector radius = Radius<TSimd, TVector>(TSimd.EvenWords(low, high));
            (TVector cosine, TVector sine) = Direction<TSimd, TVector>(TSimd.OddWords(low, high));
            TVector first = TSimd.MultiplyFloat(radius, cosine);
            TVector second = TSimd.MultiplyFloat(radius, sine);
            TSimd.Store(TSimd.UnpackLow32(first, second), ref Unsafe.Add(ref output, i));
            TSimd.Store(TSimd.UnpackHigh32(first, second), ref Unsafe.Add(ref output, i + TSimd.Words));
        }

        return end;
    }

    /// <summary>Uniforms, one a word; destination and words may be the same memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Uniform<TSimd, TVector>(Span<float> destination, ReadOnlySpan<uint> words)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int end = destination.Length - (destination.Length % TSimd.Words);
        ref uint input = ref MemoryMarshal.GetReference(words);
        ref uint output = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<float, uint>(destination));
        for (int i = 0; i < end; i += TSimd.Words)
        {
            TVector x = TSimd.Load(ref Unsafe.Add(ref input, i));
            TVector odd = TSimd.Subtract(TSimd.Or(TSimd.ShiftRight(x, 8), TSimd.Splat(1)), TSimd.Splat(0x00800000));
            TSimd.Store(TSimd.MultiplyFloat(TSimd.ToFloatSigned(odd), Float<TSimd, TVector>(FactorScalar.UniformUnit)), ref Unsafe.Add(ref output, i));
        }

        return end;
    }

    /// <summary>Signs, 32 a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Rademacher<TSimd, TVector>(Span<float> destination, ReadOnlySpan<uint> words)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int end = destination.Length - (destination.Length % 32);
        TVector sign = TSimd.Splat(0x80000000);
        TVector minusOne = TSimd.Splat(0xBF800000);
        ref uint output = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<float, uint>(destination));
        for (int i = 0; i < end; i += 32)
        {
            TVector word = TSimd.Splat(words[i / 32]);
            for (int bit = 0; bit < 32; bit += TSimd.Words)
            {
                // Lane l's own bit moves to the top; a one clears the sign of −1.
                TVector top = TSimd.And(TSimd.ShiftLeftToTop(word, bit), sign);
                TSimd.Store(TSimd.Xor(top, minusOne), ref Unsafe.Add(ref output, i + bit));
            }
        }

        return end;
    }

    /// <summary>−c, 0 and +c, two a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Ternary<TSimd, TVector>(Span<float> destination, ReadOnlySpan<uint> words, uint threshold, float magnitude)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int end = destination.Length - (destination.Length % TSimd.Words);
        ref ushort input = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<uint, ushort>(words));
        ref uint output = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<float, uint>(destination));
        TVector plus = Float<TSimd, TVector>(magnitude);
        TVector minus = Float<TSimd, TVector>(-magnitude);
        for (int i = 0; i < end; i += TSimd.Words)
        {
            TVector draw = TSimd.LoadWidened(ref Unsafe.Add(ref input, i));
            TVector signed = TSimd.Select(TSimd.LessThanSigned(draw, TSimd.Splat(threshold)), plus, minus);
            TSimd.Store(TSimd.And(signed, TSimd.LessThanSigned(draw, TSimd.Splat(2 * threshold))), ref Unsafe.Add(ref output, i));
        }

        return end;
    }

    // NormalFormula.Radius, lane by lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Radius<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector u = TSimd.Fma(TSimd.ToFloat(x), Float<TSimd, TVector>(NormalFormula.UScale), Float<TSimd, TVector>(NormalFormula.UOffset));
        TVector sqrtHalf = TSimd.Splat(NormalFormula.SqrtHalfBits);
        TVector shifted = TSimd.Subtract(u, sqrtHalf);
        TVector e = TSimd.ToFloatSigned(TSimd.ShiftRightSigned(shifted, 23));
        TVector m = TSimd.Add(TSimd.And(shifted, TSimd.Splat(0x007FFFFF)), sqrtHalf);
        TVector f = TSimd.AddFloat(m, Float<TSimd, TVector>(-1f));
        TVector q = TSimd.Splat(NormalFormula.L7);
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L6));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L5));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L4));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L3));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L2));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L1));
        q = TSimd.Fma(q, f, TSimd.Splat(NormalFormula.L0));
        q = TSimd.Fma(q, f, Float<TSimd, TVector>(1f));
        TVector w = TSimd.Fma(TSimd.MultiplyFloat(f, f), q, TSimd.MultiplyFloat(f, Float<TSimd, TVector>(-2f)));
        return TSimd.Sqrt(TSimd.Fma(e, Float<TSimd, TVector>(NormalFormula.MinusTwoLn2), w));
    }

    // NormalFormula.Direction, lane by lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Cosine, TVector Sine) Direction<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector quadrant = TSimd.ShiftRight(TSimd.Add(x, TSimd.Splat(0x20000000)), 30);
        TVector rest = TSimd.Subtract(x, TSimd.ShiftLeft(quadrant, 30));
        TVector s = TSimd.MultiplyFloat(TSimd.ToFloatSigned(rest), Float<TSimd, TVector>(NormalFormula.QuarterTurn));
        TVector t = TSimd.MultiplyFloat(s, s);
        TVector a = TSimd.Splat(NormalFormula.S3);
        a = TSimd.Fma(a, t, TSimd.Splat(NormalFormula.S2));
        a = TSimd.Fma(a, t, TSimd.Splat(NormalFormula.S1));
        a = TSimd.Fma(a, t, TSimd.Splat(NormalFormula.S0));
        a = TSimd.MultiplyFloat(a, s);
        TVector b = TSimd.Splat(NormalFormula.C4);
        b = TSimd.Fma(b, t, TSimd.Splat(NormalFormula.C3));
        b = TSimd.Fma(b, t, TSimd.Splat(NormalFormula.C2));
        b = TSimd.Fma(b, t, TSimd.Splat(NormalFormula.C1));
        b = TSimd.Fma(b, t, Float<TSimd, TVector>(1f));

        // An odd quadrant swaps the two; the signs are those of the quadrant.
        TVector odd = TSimd.ShiftRightSigned(TSimd.ShiftLeft(quadrant, 31), 31);
        TVector sign = TSimd.Splat(0x80000000);
        TVector cosineSign = TSimd.And(TSimd.ShiftLeft(TSimd.Add(quadrant, TSimd.Splat(1)), 30), sign);
        TVector sineSign = TSimd.And(TSimd.ShiftLeft(quadrant, 30), sign);
        return (TSimd.Xor(TSimd.Select(odd, a, b), cosineSign), TSimd.Xor(TSimd.Select(odd, b, a), sineSign));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Float<TSimd, TVector>(float value)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TSimd.Splat(BitConverter.SingleToUInt32Bits(value));
}
