using System.Runtime.InteropServices;

namespace TeRA.Kernels.Verification;

/// <summary>Host arrays of any dtype as float64 numbers and back: how references read what devices hold.</summary>
internal static class Elements
{
    /// <summary>The bytes of <paramref name="values"/> in <paramref name="dtype"/>, each rounded to nearest even.</summary>
    public static byte[] Encode(ReadOnlySpan<double> values, DType dtype)
    {
        var bytes = new byte[values.Length * dtype.Size()];
        for (int i = 0; i < values.Length; i++)
        {
            Write(bytes, i, values[i], dtype);
        }

        return bytes;
    }

    /// <summary>The numbers that <paramref name="bytes"/> hold, exactly.</summary>
    public static double[] Decode(ReadOnlySpan<byte> bytes, DType dtype)
    {
        var values = new double[bytes.Length / dtype.Size()];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = dtype switch
            {
                DType.Float64 => MemoryMarshal.Cast<byte, double>(bytes)[i],
                DType.Float32 => MemoryMarshal.Cast<byte, float>(bytes)[i],
                DType.Float16 => (double)MemoryMarshal.Cast<byte, Half>(bytes)[i],
                _ => MemoryMarshal.Cast<byte, BFloat16>(bytes)[i].ToSingle(),
            };
        }

        return values;
    }

    /// <summary>The nearest number that <paramref name="dtype"/> can hold.</summary>
    public static double Round(double value, DType dtype) => dtype switch
    {
        DType.Float64 => value,
        DType.Float32 => (float)value,
        DType.Float16 => (double)(Half)(float)value,
        _ => BFloat16.FromSingle((float)value).ToSingle(),
    };

    /// <summary>Every number rounded to <paramref name="dtype"/>, in a new array.</summary>
    public static double[] Round(ReadOnlySpan<double> values, DType dtype)
    {
        var rounded = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            rounded[i] = Round(values[i], dtype);
        }

        return rounded;
    }

    private static void Write(Span<byte> bytes, int index, double value, DType dtype)
    {
        switch (dtype)
        {
            case DType.Float64:
                MemoryMarshal.Cast<byte, double>(bytes)[index] = value;
                break;
            case DType.Float32:
                MemoryMarshal.Cast<byte, float>(bytes)[index] = (float)value;
                break;
            case DType.Float16:
                MemoryMarshal.Cast<byte, Half>(bytes)[index] = (Half)(float)value;
                break;
            default:
                MemoryMarshal.Cast<byte, BFloat16>(bytes)[index] = BFloat16.FromSingle((float)value);
                break;
        }
    }
}
