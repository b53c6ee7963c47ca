using System.Numerics;

namespace TeRA.Kernels.Cpu;

/// <summary>Element-wise loops over float or double, vectorised.</summary>
internal static unsafe class Vectors
{
    /// <summary>values *= factor.</summary>
    public static void Scale<T>(T* values, T factor, long count) where T : unmanaged, INumberBase<T>
    {
        var factors = new Vector<T>(factor);
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            (Vector.Load(values + i) * factors).Store(values + i);
        }

        for (; i < count; i++)
        {
            values[i] *= factor;
        }
    }

    /// <summary>destination = addend + factor·values, each step rounded; destination may be either.</summary>
    public static void AddScaled<T>(T* addend, T* values, T factor, T* destination, long count) where T : unmanaged, INumberBase<T>
    {
        var factors = new Vector<T>(factor);
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            (Vector.Load(addend + i) + (Vector.Load(values + i) * factors)).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = addend[i] + (values[i] * factor);
        }
    }

    /// <summary>destination += values.</summary>
    public static void Add<T>(T* values, T* destination, long count) where T : unmanaged, INumberBase<T>
    {
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            (Vector.Load(destination + i) + Vector.Load(values + i)).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] += values[i];
        }
    }

    /// <summary>left *= right, element by element.</summary>
    public static void Multiply<T>(T* left, T* right, long count) where T : unmanaged, INumberBase<T>
    {
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            (Vector.Load(left + i) * Vector.Load(right + i)).Store(left + i);
        }

        for (; i < count; i++)
        {
            left[i] *= right[i];
        }
    }

    /// <summary>Σ left·right in a fixed order: four partial sums for each vector lane.</summary>
    public static T Dot<T>(T* left, T* right, long count) where T : unmanaged, INumberBase<T>
    {
        Vector<T> sum0 = Vector<T>.Zero, sum1 = Vector<T>.Zero, sum2 = Vector<T>.Zero, sum3 = Vector<T>.Zero;
        int width = Vector<T>.Count;
        long i = 0;
        for (; i <= count - (4 * width); i += 4 * width)
        {
            sum0 += Vector.Load(left + i) * Vector.Load(right + i);
            sum1 += Vector.Load(left + i + width) * Vector.Load(right + i + width);
            sum2 += Vector.Load(left + i + (2 * width)) * Vector.Load(right + i + (2 * width));
            sum3 += Vector.Load(left + i + (3 * width)) * Vector.Load(right + i + (3 * width));
        }

        for (; i <= count - width; i += width)
        {
            sum0 += Vector.Load(left + i) * Vector.Load(right + i);
        }

        T sum = Vector.Sum((sum0 + sum1) + (sum2 + sum3));
        for (; i < count; i++)
        {
            sum += left[i] * right[i];
        }

        return sum;
    }
}
