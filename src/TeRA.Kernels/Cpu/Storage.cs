using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu;

/// <summary>Runs of elements of any dtype, read into and written from the type that the device computes in (float or double).</summary>
internal static unsafe class Storage
{
    /// <summary>
    /// Elements <paramref name="first"/> … of an operand: in place where the dtype is that of <typeparamref name="T"/>, otherwise
    /// converted into <paramref name="buffer"/>. The result must not be written to.
    /// </summary>
    public static T* Read<T>(nint address, DType dtype, long first, long count, T* buffer) where T : unmanaged
    {
        byte* source = (byte*)address + (first * dtype.Size());
        if (typeof(T) == typeof(float))
        {
            if (dtype == DType.Float32)
            {
                return (T*)source;
            }

            ToSingle(source, dtype, (float*)buffer, count);
        }
        else
        {
            if (dtype == DType.Float64)
            {
                return (T*)source;
            }

            ToDouble(source, dtype, (double*)buffer, count);
        }

        return buffer;
    }

    /// <summary>As <see cref="Read"/>, but always into <paramref name="buffer"/>.</summary>
    public static void Load<T>(nint address, DType dtype, long first, long count, T* buffer) where T : unmanaged
    {
        T* found = Read(address, dtype, first, count, buffer);
        if (found != buffer)
        {
            Copy(found, buffer, count);
        }
    }

    /// <summary>Where to compute elements <paramref name="first"/> … of an operand: in place where possible, else <paramref name="buffer"/>.</summary>
    public static T* Target<T>(nint address, DType dtype, long first, T* buffer) where T : unmanaged =>
        dtype == DTypes.Of<T>() ? (T*)address + first : buffer;

    /// <summary>Stores computed elements, rounding to nearest even; nothing to do where they were computed in place.</summary>
    public static void Write<T>(T* source, nint address, DType dtype, long first, long count) where T : unmanaged
    {
        byte* destination = (byte*)address + (first * dtype.Size());
        if (source == destination)
        {
            return;
        }

        if (dtype == DTypes.Of<T>())
        {
            Copy(source, (T*)destination, count);
        }
        else if (typeof(T) == typeof(float))
        {
            FromSingle((float*)source, destination, dtype, count);
        }
        else
        {
            FromDouble((double*)source, destination, dtype, count);
        }
    }

    /// <summary>Copies without overlap.</summary>
    public static void Copy<T>(T* source, T* destination, long count) where T : unmanaged =>
        Buffer.MemoryCopy(source, destination, count * sizeof(T), count * sizeof(T));

    /// <summary>The generated elements of a factor, converted exactly.</summary>
    public static void Generate<T>(T* destination, RandomSource source, uint stream, long first, int count) where T : unmanaged
    {
        if (typeof(T) == typeof(float))
        {
            RandomFactor.Fill(new Span<float>(destination, count), source, stream, first);
        }
        else
        {
            RandomFactor.Fill(new Span<double>(destination, count), source, stream, first);
        }
    }

    /// <summary>A mode's factor as F[o·In + i], whichever way it is numbered.</summary>
    /// <param name="factor">Where it goes.</param>
    /// <param name="spare">Room for as many numbers, used where the factor is numbered the other way.</param>
    /// <param name="source">Where the factors come from.</param>
    /// <param name="mode">Whose factor.</param>
    public static void GenerateFactor<T>(T* factor, T* spare, RandomSource source, KroneckerMode mode) where T : unmanaged
    {
        int count = checked((int)(mode.In * mode.Out));
        Generate(mode.Contract ? spare : factor, source, mode.Stream, 0, count);
        for (long i = 0; mode.Contract && i < count; i++)
        {
            factor[(i % mode.Out * mode.In) + (i / mode.Out)] = spare[i];
        }
    }

    /// <summary>Rounds once: through float32 rounded to odd, which keeps what the second rounding needs to know.</summary>
    public static BFloat16 ToBFloat16(double value)
    {
        float nearest = (float)value;
        if (nearest != value && float.IsFinite(nearest) && !double.IsNaN(value))
        {
            uint bits = BitConverter.SingleToUInt32Bits(nearest);
            bool away = Math.Abs((double)nearest) > Math.Abs(value);
            nearest = BitConverter.UInt32BitsToSingle((away ? bits - 1 : bits) | 1);
        }

        return (BFloat16)nearest;
    }

    private static void ToSingle(byte* source, DType dtype, float* destination, long count)
    {
        switch (dtype)
        {
            case DType.BFloat16:
                HalfPrecision.FromBFloat16((ushort*)source, destination, count);
                break;
            case DType.Float16:
                HalfPrecision.FromFloat16((ushort*)source, destination, count);
                break;
            default:
                for (long i = 0; i < count; i++)
                {
                    destination[i] = (float)((double*)source)[i];
                }

                break;
        }
    }

    private static void ToDouble(byte* source, DType dtype, double* destination, long count)
    {
        for (long i = 0; i < count; i++)
        {
            destination[i] = dtype switch
            {
                DType.Float32 => ((float*)source)[i],
                DType.BFloat16 => (float)((BFloat16*)source)[i],
                _ => (double)((Half*)source)[i],
            };
        }
    }

    private static void FromSingle(float* source, byte* destination, DType dtype, long count)
    {
        switch (dtype)
        {
            case DType.BFloat16:
                HalfPrecision.ToBFloat16(source, (ushort*)destination, count);
                break;
            case DType.Float16:
                HalfPrecision.ToFloat16(source, (ushort*)destination, count);
                break;
            default:
                for (long i = 0; i < count; i++)
                {
                    ((double*)destination)[i] = source[i];
                }

                break;
        }
    }

    private static void FromDouble(double* source, byte* destination, DType dtype, long count)
    {
        for (long i = 0; i < count; i++)
        {
            switch (dtype)
            {
                case DType.Float32:
                    ((float*)destination)[i] = (float)source[i];
                    break;
                case DType.BFloat16:
                    ((BFloat16*)destination)[i] = ToBFloat16(source[i]);
                    break;
                default:
                    ((Half*)destination)[i] = (Half)source[i];
                    break;
            }
        }
    }
}
