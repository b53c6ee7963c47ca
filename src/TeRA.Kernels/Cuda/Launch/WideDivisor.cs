using System.Numerics;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Division by a number that is known before the launch: the layout of <c>tera::WideDivisor</c> in kernels/common/wide_divisor.cuh. ⌊n/value⌋ is the
/// upper half of 2n·<see cref="Multiplier"/>, shifted, for every n below 2³¹.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct WideDivisor
{
    /// <summary>The number; 0 is taken for 1, as nothing is divided where a length is 0.</summary>
    public readonly uint Value;

    /// <summary>⌈2^(31 + <see cref="Shift"/>) / <see cref="Value"/>⌉.</summary>
    public readonly uint Multiplier;

    /// <summary>The least for which <see cref="Value"/> ≤ 2^Shift.</summary>
    public readonly uint Shift;

    /// <summary>Prepares the division.</summary>
    /// <exception cref="OverflowException">The number is not below 2³¹.</exception>
    public WideDivisor(long value)
    {
        Value = (uint)checked((int)Math.Max(1, value));
        Shift = (uint)(32 - BitOperations.LeadingZeroCount(Value - 1));
        Multiplier = (uint)(((1UL << (int)(31 + Shift)) + Value - 1) / Value);
    }
}
