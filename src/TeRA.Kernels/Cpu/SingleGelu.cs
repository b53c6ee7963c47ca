using System.Numerics;

namespace TeRA.Kernels.Cpu;

/// <summary>
/// GELU of float32 numbers, a vector at a time: computed in float64 with a relative error below 1e-9 and rounded once, so that it is
/// float32's nearest number but for one in a hundred.
/// </summary>
internal static unsafe class SingleGelu
{
    // erfc(t) = exp(−t²)·P(y)/(t + Center) with y = (t − Center)/(t + Center). P interpolates at 80 Chebyshev nodes of y in (−1, 1),
    // cut after degree 13: 3e-10 of erfc for every t.
    private const double Center = 3;
    private const double LargestArgument = 64; // erfc is 0 long before; it keeps y finite.

    private static ReadOnlySpan<double> Coefficients =>
    [
        1.0740069072830076, -0.8833944527815004, 0.5902283378006058, -0.31046727666167934, 0.11952807506465551, -0.02682707130710469,
        -0.0012143417036870829, 0.003033257122655897, -0.0005426214450466205, -0.00027470453069327054, 9.873707289216328e-05,
        2.7432796855464403e-05, -1.0302479222445983e-05, -2.3928878363221884e-06,
    ];

    /// <summary>y = x·Φ(x).</summary>
    public static void Forward(float* x, float* y, long count)
    {
        float* rest = stackalloc float[Vector<float>.Count];
        for (long i = 0; i < count; i += Vector<float>.Count)
        {
            Vector.Widen(Load(x + i, count - i, rest), out Vector<double> low, out Vector<double> high);
            Store(Vector.Narrow(low * Distribution(low, out _), high * Distribution(high, out _)), y + i, count - i, rest);
        }
    }

    /// <summary>dx = dy·(Φ(x) + x·φ(x)).</summary>
    public static void Backward(float* x, float* dy, float* dx, long count)
    {
        float* rest = stackalloc float[Vector<float>.Count];
        for (long i = 0; i < count; i += Vector<float>.Count)
        {
            Vector.Widen(Load(x + i, count - i, rest), out Vector<double> low, out Vector<double> high);
            Vector.Widen(Load(dy + i, count - i, rest), out Vector<double> lowGradient, out Vector<double> highGradient);
            Store(Vector.Narrow(lowGradient * Slope(low), highGradient * Slope(high)), dx + i, count - i, rest);
        }
    }

    private static Vector<double> Slope(Vector<double> x) => Distribution(x, out Vector<double> density) + (x * density);

    /// <summary>Φ(x), and φ(x) from the same exponential.</summary>
    private static Vector<double> Distribution(Vector<double> x, out Vector<double> density)
    {
        Vector<double> exponential = Vector.Exp(x * x * new Vector<double>(-0.5));
        density = exponential * new Vector<double>(0.39894228040143267794);
        Vector<double> t = Vector.Min(Vector.Abs(x) * new Vector<double>(0.70710678118654752440), new Vector<double>(LargestArgument));
        Vector<double> scale = Vector<double>.One / (t + new Vector<double>(Center));
        Vector<double> y = (t - new Vector<double>(Center)) * scale;
        var sum = new Vector<double>(Coefficients[^1]);
        for (int i = Coefficients.Length - 2; i >= 0; i--)
        {
            sum = Vector.MultiplyAddEstimate(sum, y, new Vector<double>(Coefficients[i]));
        }

        Vector<double> tail = exponential * sum * scale * new Vector<double>(0.5);
        return Vector.ConditionalSelect(Vector.LessThan(x, Vector<double>.Zero), tail, Vector<double>.One - tail);
    }

    /// <summary>A whole vector, filled up with zeros behind the last element.</summary>
    private static Vector<float> Load(float* source, long count, float* rest)
    {
        if (count >= Vector<float>.Count)
        {
            return Vector.Load(source);
        }

        var padded = new Span<float>(rest, Vector<float>.Count);
        padded.Clear();
        new ReadOnlySpan<float>(source, (int)count).CopyTo(padded);
        return Vector.Load(rest);
    }

    private static void Store(Vector<float> value, float* destination, long count, float* rest)
    {
        if (count >= Vector<float>.Count)
        {
            value.Store(destination);
            return;
        }

        value.Store(rest);
        new ReadOnlySpan<float>(rest, (int)count).CopyTo(new Span<float>(destination, (int)count));
    }
}
