namespace TeRA.Kernels.Formats;

/// <summary>
/// PyTorch's <c>uniform_</c> on the CPU: one 32-bit draw an element, of which it keeps as many low bits as the dtype's mantissa holds;
/// scaled and shifted with one rounding (its vectorised builds use a fused multiply-add), then rounded to the dtype.
/// </summary>
internal static class TorchUniform
{
    /// <summary>Numbers of U(low, high) in a dtype's precision, float32, bfloat16 or float16.</summary>
    public static void Fill(MersenneTwister generator, Span<float> values, double low, double high, DType dtype)
    {
        int bits = dtype switch
        {
            DType.Float32 => 24,
            DType.BFloat16 => 8,
            DType.Float16 => 11,
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "bases are drawn in float32, bfloat16 or float16"),
        };
        uint mask = (1u << bits) - 1;
        float unit = 1f / (1u << bits);
        float from = Round((float)low, dtype);
        float width = Round(Round((float)high, dtype) - from, dtype);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Round(MathF.FusedMultiplyAdd((generator.Next() & mask) * unit, width, from), dtype);
        }
    }

    /// <summary>A float32 number rounded to a dtype.</summary>
    public static float Round(float value, DType dtype) => dtype switch
    {
        DType.BFloat16 => (BFloat16)value,
        DType.Float16 => (float)(Half)value,
        _ => value,
    };
}
