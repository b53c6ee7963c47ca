namespace TeRA.Kernels;

/// <summary>The element type of a <see cref="Tensor"/>.</summary>
public enum DType
{
    /// <summary>IEEE 754 binary32. Trained vectors and every accumulation use it, whatever the activations use.</summary>
    Float32,

    /// <summary>bfloat16: binary32 with its lower 16 bits rounded away (to nearest, ties to even).</summary>
    BFloat16,

    /// <summary>IEEE 754 binary16.</summary>
    Float16,

    /// <summary>IEEE 754 binary64. Only on the CPU, for gradient checks; trained vectors are then binary64 too.</summary>
    Float64,
}

/// <summary>Facts about a <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Float64 => 8,
        DType.Float32 => 4,
        DType.BFloat16 or DType.Float16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype of this library"),
    };

    /// <summary>The unit roundoff: 2⁻⁵³, 2⁻²⁴, 2⁻⁸ (bfloat16) or 2⁻¹¹ (float16).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static double UnitRoundoff(this DType dtype) => dtype switch
    {
        DType.Float64 => 1.1102230246251565e-16,
        DType.Float32 => 5.9604644775390625e-08,
        DType.BFloat16 => 0.00390625,
        DType.Float16 => 0.00048828125,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype of this library"),
    };

    /// <summary>The name users meet in files and on the command line: <c>float32</c>, <c>bfloat16</c>, <c>float16</c>, <c>float64</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static string Label(this DType dtype) => dtype switch
    {
        DType.Float64 => "float64",
        DType.Float32 => "float32",
        DType.BFloat16 => "bfloat16",
        DType.Float16 => "float16",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype of this library"),
    };

    /// <summary>The dtype of trained parameters and gradients beside activations of <paramref name="dtype"/>: float64 beside float64, else float32.</summary>
    public static DType ParameterDType(this DType dtype) => dtype == DType.Float64 ? DType.Float64 : DType.Float32;

    /// <summary>The dtype whose elements the .NET type <typeparamref name="T"/> represents.</summary>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is not float, double, <see cref="Half"/> or <see cref="BFloat16"/>.</exception>
    public static DType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32
        : typeof(T) == typeof(double) ? DType.Float64
        : typeof(T) == typeof(Half) ? DType.Float16
        : typeof(T) == typeof(BFloat16) ? DType.BFloat16
        : throw new NotSupportedException($"{typeof(T).Name} is no element type of a tensor; use float, double, Half or BFloat16.");
}
