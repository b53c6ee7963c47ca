using System.Runtime.Intrinsics;

namespace TeRA.Kernels.Cpu;

/// <summary>bfloat16 and float16 to and from float32, eight at a time, by integer operations: exact one way, rounded to nearest even the other.</summary>
internal static unsafe class HalfPrecision
{
    /// <summary>Exact.</summary>
    public static void FromBFloat16(ushort* source, float* destination, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8)
        {
            (Widen(source + i) << 16).AsSingle().Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }

    /// <summary>To nearest even; a NaN stays a quiet NaN.</summary>
    public static void ToBFloat16(float* source, ushort* destination, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8)
        {
            Vector256<uint> bits = Vector256.Load(source + i).AsUInt32();
            Vector256<uint> rounded = (bits + Vector256.Create(0x7fffu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
            Vector256<uint> nan = (bits >> 16) | Vector256.Create(0x40u);
            Vector256<uint> isNan = Vector256.GreaterThan(bits & Vector256.Create(0x7fffffffu), Vector256.Create(0x7f800000u));
            Narrow(Vector256.ConditionalSelect(isNan, nan, rounded), destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = ((BFloat16)source[i]).Bits;
        }
    }

    /// <summary>Exact.</summary>
    public static void FromFloat16(ushort* source, float* destination, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8)
        {
            Vector256<uint> bits = Widen(source + i);
            Vector256<uint> magnitude = bits & Vector256.Create(0x7fffu);
            // Moving the exponent by a multiplication normalises subnormals on the way.
            Vector256<uint> finite = ((magnitude << 13).AsSingle() * Vector256.Create(BitConverter.UInt32BitsToSingle(0x77800000u))).AsUInt32();
            Vector256<uint> special = (magnitude << 13) | Vector256.Create(0x7f800000u);
            Vector256<uint> isSpecial = Vector256.GreaterThan(magnitude, Vector256.Create(0x7bffu));
            Vector256<uint> value = Vector256.ConditionalSelect(isSpecial, special, finite) | ((bits & Vector256.Create(0x8000u)) << 16);
            value.AsSingle().Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    /// <summary>To nearest even; overflow is infinity, a NaN stays a NaN.</summary>
    public static void ToFloat16(float* source, ushort* destination, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8)
        {
            Vector256<uint> bits = Vector256.Load(source + i).AsUInt32();
            Vector256<uint> magnitude = bits & Vector256.Create(0x7fffffffu);
            Vector256<uint> normal = (magnitude + ((magnitude >> 13) & Vector256<uint>.One) + Vector256.Create(0xfffu) - Vector256.Create(112u << 23)) >> 13;
            // 0.5 has the unit in the last place of float16's subnormals: the addition itself rounds.
            Vector256<uint> small = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3f000000u);
            Vector256<uint> isSmall = Vector256.LessThan(magnitude, Vector256.Create(0x38800000u));
            Vector256<uint> isLarge = Vector256.GreaterThan(magnitude, Vector256.Create(0x477fffffu));
            Vector256<uint> isNan = Vector256.GreaterThan(magnitude, Vector256.Create(0x7f800000u));
            Vector256<uint> large = Vector256.ConditionalSelect(isNan, Vector256.Create(0x7e00u), Vector256.Create(0x7c00u));
            Vector256<uint> value = Vector256.ConditionalSelect(isLarge, large, Vector256.ConditionalSelect(isSmall, small, normal));
            Narrow(value | ((bits >> 16) & Vector256.Create(0x8000u)), destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
        }
    }

    private static Vector256<uint> Widen(ushort* source)
    {
        Vector128<ushort> halves = Vector128.Load(source);
        return Vector256.Create(Vector128.WidenLower(halves), Vector128.WidenUpper(halves));
    }

    private static void Narrow(Vector256<uint> value, ushort* destination) =>
        Vector128.Narrow(value.GetLower(), value.GetUpper()).Store(destination);
}
