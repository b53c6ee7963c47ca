using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace TeRA.Kernels.Cpu.Simd;

/// <summary>Four lines to interleaved and back, in 4×4 blocks: what packing and the Kronecker slabs are made of.</summary>
internal static unsafe class Transposition
{
    /// <summary>destination[i·stride + j] = line j [i], for j from 0 to 3 and i below <paramref name="count"/>.</summary>
    public static void Interleave<T>(T* line0, T* line1, T* line2, T* line3, long count, T* destination, nint stride) where T : unmanaged
    {
        long i = 0;
        if (typeof(T) == typeof(float) && Sse.IsSupported)
        {
            for (; i <= count - 4; i += 4, destination += 4 * stride)
            {
                Block(
                    (float*)(line0 + i), (float*)(line1 + i), (float*)(line2 + i), (float*)(line3 + i),
                    (float*)destination, (float*)(destination + stride), (float*)(destination + (2 * stride)), (float*)(destination + (3 * stride)));
            }
        }
        else if (typeof(T) == typeof(double) && Avx.IsSupported)
        {
            for (; i <= count - 4; i += 4, destination += 4 * stride)
            {
                Block(
                    (double*)(line0 + i), (double*)(line1 + i), (double*)(line2 + i), (double*)(line3 + i),
                    (double*)destination, (double*)(destination + stride), (double*)(destination + (2 * stride)), (double*)(destination + (3 * stride)));
            }
        }

        for (; i < count; i++, destination += stride)
        {
            destination[0] = line0[i];
            destination[1] = line1[i];
            destination[2] = line2[i];
            destination[3] = line3[i];
        }
    }

    /// <summary>line j [i] = source[i·stride + j], for j from 0 to 3 and i below <paramref name="count"/>.</summary>
    public static void Separate<T>(T* source, nint stride, long count, T* line0, T* line1, T* line2, T* line3) where T : unmanaged
    {
        long i = 0;
        if (typeof(T) == typeof(float) && Sse.IsSupported)
        {
            for (; i <= count - 4; i += 4, source += 4 * stride)
            {
                Block(
                    (float*)source, (float*)(source + stride), (float*)(source + (2 * stride)), (float*)(source + (3 * stride)),
                    (float*)(line0 + i), (float*)(line1 + i), (float*)(line2 + i), (float*)(line3 + i));
            }
        }
        else if (typeof(T) == typeof(double) && Avx.IsSupported)
        {
            for (; i <= count - 4; i += 4, source += 4 * stride)
            {
                Block(
                    (double*)source, (double*)(source + stride), (double*)(source + (2 * stride)), (double*)(source + (3 * stride)),
                    (double*)(line0 + i), (double*)(line1 + i), (double*)(line2 + i), (double*)(line3 + i));
            }
        }

        for (; i < count; i++, source += stride)
        {
            line0[i] = source[0];
            line1[i] = source[1];
            line2[i] = source[2];
            line3[i] = source[3];
        }
    }

    private static void Block(float* a, float* b, float* c, float* d, float* x, float* y, float* z, float* w)
    {
        Vector128<float> v0 = Vector128.Load(a), v1 = Vector128.Load(b), v2 = Vector128.Load(c), v3 = Vector128.Load(d);
        Vector128<float> low01 = Sse.UnpackLow(v0, v1), high01 = Sse.UnpackHigh(v0, v1);
        Vector128<float> low23 = Sse.UnpackLow(v2, v3), high23 = Sse.UnpackHigh(v2, v3);
        Sse.MoveLowToHigh(low01, low23).Store(x);
        Sse.MoveHighToLow(low23, low01).Store(y);
        Sse.MoveLowToHigh(high01, high23).Store(z);
        Sse.MoveHighToLow(high23, high01).Store(w);
    }

    private static void Block(double* a, double* b, double* c, double* d, double* x, double* y, double* z, double* w)
    {
        Vector256<double> v0 = Vector256.Load(a), v1 = Vector256.Load(b), v2 = Vector256.Load(c), v3 = Vector256.Load(d);
        Vector256<double> even01 = Avx.UnpackLow(v0, v1), odd01 = Avx.UnpackHigh(v0, v1);
        Vector256<double> even23 = Avx.UnpackLow(v2, v3), odd23 = Avx.UnpackHigh(v2, v3);
        Avx.Permute2x128(even01, even23, 0x20).Store(x);
        Avx.Permute2x128(odd01, odd23, 0x20).Store(y);
        Avx.Permute2x128(even01, even23, 0x31).Store(z);
        Avx.Permute2x128(odd01, odd23, 0x31).Store(w);
    }
}
