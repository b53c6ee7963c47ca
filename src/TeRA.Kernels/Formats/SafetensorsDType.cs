using System.Collections.Frozen;

namespace TeRA.Kernels;

/// <summary>
/// Every element type of the safetensors format, in the order in which files are laid out backwards: the format's own writer
/// puts later members first, so that elements stay aligned.
/// </summary>
public enum SafetensorsDType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>MXFP4, 4 bits.</summary>
    F4,

    /// <summary>MXFP6 with 2 bits of exponent.</summary>
    F6E2M3,

    /// <summary>MXFP6 with 3 bits of exponent.</summary>
    F6E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>FP8 with 5 bits of exponent.</summary>
    F8E5M2,

    /// <summary>FP8 with 4 bits of exponent.</summary>
    F8E4M3,

    /// <summary>FP8 of exponents alone, for scales.</summary>
    F8E8M0,

    /// <summary>FP8 with 4 bits of exponent, finite, without negative zero.</summary>
    F8E4M3Fnuz,

    /// <summary>FP8 with 5 bits of exponent, finite, without negative zero.</summary>
    F8E5M2Fnuz,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>Complex number of two binary32.</summary>
    C64,

    /// <summary>IEEE 754 binary64.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>Facts about a <see cref="SafetensorsDType"/>.</summary>
public static class SafetensorsDTypes
{
    private static readonly (string Label, int Bits)[] Facts =
    [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8),
        ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8),
        ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32),
        ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ];

    private static readonly FrozenDictionary<string, SafetensorsDType> ByLabel =
        Enumerable.Range(0, Facts.Length).ToFrozenDictionary(i => Facts[i].Label, i => (SafetensorsDType)i, StringComparer.Ordinal);

    /// <summary>All names, for messages.</summary>
    internal static string AllLabels { get; } = string.Join(", ", Facts.Select(fact => fact.Label));

    /// <summary>The name in files: <c>F32</c>, <c>BF16</c>, <c>F8_E4M3</c> …</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static string Label(this SafetensorsDType dtype) => Fact(dtype).Label;

    /// <summary>Bits of one element; F4 and the F6 types have fewer than 8.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static int Bits(this SafetensorsDType dtype) => Fact(dtype).Bits;

    /// <summary>The file's dtype for a tensor's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no dtype.</exception>
    public static SafetensorsDType ToSafetensors(this DType dtype) => dtype switch
    {
        DType.Float64 => SafetensorsDType.F64,
        DType.Float32 => SafetensorsDType.F32,
        DType.BFloat16 => SafetensorsDType.BF16,
        DType.Float16 => SafetensorsDType.F16,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype of this library"),
    };

    /// <summary>The tensor's dtype for a file's; null for the ones that are listed and carried but never computed with.</summary>
    public static DType? ToTensorDType(this SafetensorsDType dtype) => dtype switch
    {
        SafetensorsDType.F64 => DType.Float64,
        SafetensorsDType.F32 => DType.Float32,
        SafetensorsDType.BF16 => DType.BFloat16,
        SafetensorsDType.F16 => DType.Float16,
        _ => null,
    };

    internal static bool TryParse(string label, out SafetensorsDType dtype) => ByLabel.TryGetValue(label, out dtype);

    private static (string Label, int Bits) Fact(SafetensorsDType dtype) => (uint)dtype < (uint)Facts.Length
        ? Facts[(int)dtype]
        : throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype of the safetensors format");
}
