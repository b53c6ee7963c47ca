using System.Globalization;

namespace TeRA.Kernels;

/// <summary>A bfloat16 number: the upper half of a binary32, converted with rounding to nearest, ties to even.</summary>
/// <param name="bits">The 16 bits: sign, 8 of exponent, 7 of mantissa.</param>
public readonly struct BFloat16(ushort bits) : IEquatable<BFloat16>
{
    /// <summary>The 16 bits of the number.</summary>
    public ushort Bits { get; } = bits;

    /// <summary>Rounds to nearest, ties to even; overflow becomes infinity, a NaN stays a (quiet) NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7fffffffu) > 0x7f800000u)
        {
            return new BFloat16((ushort)((bits >> 16) | 0x40u));
        }

        return new BFloat16((ushort)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16));
    }

    /// <summary>Exact.</summary>
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>Equality of value, as for float: NaN differs from itself and the zeros are equal.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => (float)left == (float)right;

    /// <summary>The opposite of <c>==</c>.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !(left == right);

    /// <summary>The named form of the conversion to float.</summary>
    public float ToSingle() => this;

    /// <summary>The named form of the conversion from float.</summary>
    public static BFloat16 FromSingle(float value) => (BFloat16)value;

    /// <inheritdoc/>
    public bool Equals(BFloat16 other) => ((float)this).Equals((float)other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => ((float)this).ToString(CultureInfo.InvariantCulture);
}
