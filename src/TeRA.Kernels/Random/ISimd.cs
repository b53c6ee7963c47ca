namespace TeRA.Kernels;

/// <summary>
/// The vector instructions that factor generation needs, so that one algorithm serves every register width.
/// A vector is bits: the name of an operation says how it reads its lanes. Every float operation is rounded once, to nearest even.
/// </summary>
/// <typeparam name="TVector">A register of 32-bit words.</typeparam>
internal interface ISimd<TVector> where TVector : struct
{
    /// <summary>Whether this width runs on this processor, in hardware.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>32-bit words of a register.</summary>
    static abstract int Words { get; }

    /// <summary>
    /// The block number that each 64-bit lane works on, relative to the first one, in the order in which
    /// <see cref="UnpackLow64"/> and <see cref="UnpackHigh64"/> put the blocks' words one after the other.
    /// </summary>
    static abstract TVector LaneBlocks { get; }

    /// <summary>Loads a register.</summary>
    static abstract TVector Load(ref uint source);

    /// <summary>Loads as many 16-bit values as a register has words, each extended by zeros to a word.</summary>
    static abstract TVector LoadWidened(ref ushort source);

    /// <summary>Stores a register.</summary>
    static abstract void Store(TVector value, ref uint destination);

    /// <summary>Every 32-bit lane = value.</summary>
    static abstract TVector Splat(uint value);

    /// <summary>Every 64-bit lane = value.</summary>
    static abstract TVector Splat64(ulong value);

    /// <summary>a + b in 64-bit lanes.</summary>
    static abstract TVector Add64(TVector a, TVector b);

    /// <summary>The 64-bit products of the low words of the 64-bit lanes; the high words are ignored.</summary>
    static abstract TVector MultiplyLow32(TVector a, TVector b);

    /// <summary>Logical shift of 64-bit lanes by 32.</summary>
    static abstract TVector ShiftRight64By32(TVector a);

    /// <summary>In every 64-bit lane: low word of <paramref name="low"/>, low word of <paramref name="high"/>.</summary>
    static abstract TVector JoinLow32(TVector low, TVector high);

    /// <summary>64-bit lanes 0 of a and b, in each 128-bit part.</summary>
    static abstract TVector UnpackLow64(TVector a, TVector b);

    /// <summary>64-bit lanes 1 of a and b, in each 128-bit part.</summary>
    static abstract TVector UnpackHigh64(TVector a, TVector b);

    /// <summary>Words 0 and 2 of a, then of b, in each 128-bit part.</summary>
    static abstract TVector EvenWords(TVector a, TVector b);

    /// <summary>Words 1 and 3 of a, then of b, in each 128-bit part.</summary>
    static abstract TVector OddWords(TVector a, TVector b);

    /// <summary>Words 0 and 1 of a and b alternately, in each 128-bit part.</summary>
    static abstract TVector UnpackLow32(TVector a, TVector b);

    /// <summary>Words 2 and 3 of a and b alternately, in each 128-bit part.</summary>
    static abstract TVector UnpackHigh32(TVector a, TVector b);

    /// <summary>a ^ b ^ c.</summary>
    static abstract TVector Xor3(TVector a, TVector b, TVector c);

    /// <summary>a ^ b.</summary>
    static abstract TVector Xor(TVector a, TVector b);

    /// <summary>a &amp; b.</summary>
    static abstract TVector And(TVector a, TVector b);

    /// <summary>a | b.</summary>
    static abstract TVector Or(TVector a, TVector b);

    /// <summary>a + b in 32-bit lanes.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a − b in 32-bit lanes.</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary>a &lt;&lt; count in 32-bit lanes.</summary>
    static abstract TVector ShiftLeft(TVector a, int count);

    /// <summary>a &gt;&gt;&gt; count in 32-bit lanes.</summary>
    static abstract TVector ShiftRight(TVector a, int count);

    /// <summary>a &gt;&gt; count in signed 32-bit lanes.</summary>
    static abstract TVector ShiftRightSigned(TVector a, int count);

    /// <summary>Lane l = a &lt;&lt; (31 − firstBit − l): bit firstBit + l of that lane becomes the top bit.</summary>
    static abstract TVector ShiftLeftToTop(TVector a, int firstBit);

    /// <summary>All ones where a &lt; b as signed 32-bit lanes, zeros elsewhere.</summary>
    static abstract TVector LessThanSigned(TVector a, TVector b);

    /// <summary>Bit by bit: mask ? a : b.</summary>
    static abstract TVector Select(TVector mask, TVector a, TVector b);

    /// <summary>The float32 nearest to each unsigned lane.</summary>
    static abstract TVector ToFloat(TVector a);

    /// <summary>The float32 nearest to each signed lane.</summary>
    static abstract TVector ToFloatSigned(TVector a);

    /// <summary>Float addition.</summary>
    static abstract TVector AddFloat(TVector a, TVector b);

    /// <summary>Float multiplication.</summary>
    static abstract TVector MultiplyFloat(TVector a, TVector b);

    /// <summary>a·b + c as floats, rounded once.</summary>
    static abstract TVector Fma(TVector a, TVector b, TVector c);

    /// <summary>Correctly rounded float square root.</summary>
    static abstract TVector Sqrt(TVector a);
}
