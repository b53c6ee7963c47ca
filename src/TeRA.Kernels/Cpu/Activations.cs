using System.Numerics;

namespace TeRA.Kernels.Cpu;

/// <summary>The activation functions and their derivatives; NaN stays NaN.</summary>
internal static unsafe class Activations
{
    /// <summary>max(x, 0).</summary>
    public static void Relu<T>(T* x, T* y, long count) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            Vector.Max(Vector.Load(x + i), Vector<T>.Zero).Store(y + i);
        }

        for (; i < count; i++)
        {
            y[i] = T.Max(x[i], T.Zero);
        }
    }

    /// <summary>dy·(1 where x is above 0, NaN where it is NaN, else 0).</summary>
    public static void ReluGradient<T>(T* x, T* dy, T* dx, long count) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        long i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count)
        {
            Vector<T> value = Vector.Load(x + i);
            Vector<T> slope = Vector.ConditionalSelect(Vector.LessThanOrEqual(value, Vector<T>.Zero), Vector<T>.Zero, Vector<T>.One);
            slope = Vector.ConditionalSelect(Vector.Equals(value, value), slope, value);
            (Vector.Load(dy + i) * slope).Store(dx + i);
        }

        for (; i < count; i++)
        {
            dx[i] = dy[i] * (T.IsNaN(x[i]) ? x[i] : x[i] > T.Zero ? T.One : T.Zero);
        }
    }

    /// <summary>x·Φ(x).</summary>
    public static void Gelu<T>(T* x, T* y, long count) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (typeof(T) == typeof(float))
        {
            SingleGelu.Forward((float*)x, (float*)y, count);
            return;
        }

        for (long i = 0; i < count; i++)
        {
            double value = double.CreateTruncating(x[i]);
            y[i] = T.CreateTruncating(value * ErrorFunction.Normal(value));
        }
    }

    /// <summary>dy·(Φ(x) + x·φ(x)).</summary>
    public static void GeluGradient<T>(T* x, T* dy, T* dx, long count) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (typeof(T) == typeof(float))
        {
            SingleGelu.Backward((float*)x, (float*)dy, (float*)dx, count);
            return;
        }

        for (long i = 0; i < count; i++)
        {
            double value = double.CreateTruncating(x[i]);
            double slope = ErrorFunction.Normal(value) + (value * ErrorFunction.Density(value));
            dx[i] = T.CreateTruncating(double.CreateTruncating(dy[i]) * slope);
        }
    }
}
