using System.Runtime.CompilerServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Makes the tensor maps of one operand of a step: 16-bit elements, boxes of rows of 128, 64, 32 or 16 bytes in the swizzle of that length. The map
/// of the last address is kept, so that a step that runs on the same memory again encodes nothing. Maps travel by value in a
/// kernel's argument, which a captured graph copies. Safe to use from any thread; allocates nothing.
/// </summary>
/// <param name="context">Whose memory it is.</param>
/// <param name="dtype">bfloat16 or float16.</param>
/// <param name="lengths">Lengths of the dimensions, the fastest first; an unused third dimension is 0.</param>
/// <param name="box">What one copy moves, in the same order.</param>
/// <param name="strides">Elements from one of the second and of the third dimension to the next; null where all lie side by side.</param>
internal sealed unsafe class TensorMapSource(
    PrimaryContext context, DType dtype, (long X, long Y, long Z) lengths, (int X, int Y, int Z) box, (long Y, long Z)? strides = null)
{
    /// <summary>Addresses, and rows in bytes, are multiples of this.</summary>
    public const int Alignment = 16;

    // Elements in a row of 128 bytes, the longest that is swizzled.
    private const int SwizzledElements = 64;
    private const int Float16 = 6;
    private const int BFloat16 = 9;
    private const int L2Promotion128 = 2;

    private readonly Lock gate = new();
    private nint address;
    private TensorMap map;

    /// <summary>Whether the driver can encode maps at all.</summary>
    public static bool IsSupported(DriverTable driver)
    {
        TensorMapDescription description = Describe(TensorMap.Alignment, DType.BFloat16, (64, 8, 0), (64, 8, 0), null);
        return Encode(driver, description, out _) == CudaResult.Success;
    }

    /// <summary>
    /// The maps of a product's operand for kernels/gemm/wgmma_engine.cuh: boxes of a stage's depth × <paramref name="tile"/> where the sums' index is
    /// contiguous, otherwise boxes of 64 along the other side, which is how far the swizzle reaches.
    /// </summary>
    /// <param name="context">Whose memory it is.</param>
    /// <param name="dtype">bfloat16 or float16.</param>
    /// <param name="depthIsRow">Whether the sums' index numbers rows in memory.</param>
    /// <param name="depth">Length of the sums.</param>
    /// <param name="length">The operand's other side.</param>
    /// <param name="tile">How much of it a stage holds.</param>
    public static TensorMapSource OfOperand(PrimaryContext context, DType dtype, bool depthIsRow, long depth, long length, int tile) => depthIsRow
        ? new TensorMapSource(context, dtype, (length, depth, 0), (SwizzledElements, WgmmaProductRules.TileK, 0))
        : new TensorMapSource(context, dtype, (depth, length, 0), (WgmmaProductRules.TileK, tile, 0));

    /// <summary>Whether all of these addresses, or'd together, suit a map; 0, for an operand that is not there, does.</summary>
    public static bool Suits(nint addresses) => (addresses & (Alignment - 1)) == 0;

    /// <summary>The map of the operand at <paramref name="wanted"/>, a multiple of <see cref="Alignment"/>.</summary>
    /// <exception cref="CudaException">The driver refuses the shape.</exception>
    public TensorMap At(nint wanted)
    {
        lock (gate)
        {
            if (wanted != address)
            {
                TensorMapDescription description = Describe(wanted, dtype, lengths, box, strides);
                Encode(context.Driver, description, out map).Check(context, nameof(DriverTable.cuTensorMapEncodeTiled));
                address = wanted;
            }

            return map;
        }
    }

    private static CudaResult Encode(DriverTable driver, in TensorMapDescription description, out TensorMap map)
    {
        byte* memory = stackalloc byte[sizeof(TensorMap) + TensorMap.Alignment];
        var aligned = (TensorMap*)(((nint)memory + TensorMap.Alignment - 1) & ~(nint)(TensorMap.Alignment - 1));
        CudaResult result = driver.cuTensorMapEncodeTiled(aligned, description);
        map = *aligned;
        return result;
    }

    // CU_TENSOR_MAP_SWIZZLE_*: none, 32, 64, 128 bytes are 0 to 3.
    private static int Swizzle(int rowBytes) => rowBytes switch { 128 => 3, 64 => 2, 32 => 1, _ => 0 };

    private static TensorMapDescription Describe(
        nint address, DType dtype, (long X, long Y, long Z) lengths, (int X, int Y, int Z) box, (long Y, long Z)? strides)
    {
        (long second, long third) = strides ?? (lengths.X, lengths.X * lengths.Y);
        var description = new TensorMapDescription
        {
            DataType = dtype == DType.BFloat16 ? BFloat16 : Float16,
            Rank = lengths.Z == 0 ? 2u : 3u,
            Address = address,
            Swizzle = Swizzle(box.X * 2),
            L2Promotion = L2Promotion128,
        };
        (description.Lengths[0], description.Lengths[1], description.Lengths[2]) = ((ulong)lengths.X, (ulong)lengths.Y, (ulong)lengths.Z);
        (description.Strides[0], description.Strides[1]) = ((ulong)second * 2, (ulong)third * 2);
        (description.Box[0], description.Box[1], description.Box[2]) = ((uint)box.X, (uint)box.Y, (uint)box.Z);
        (description.ElementStrides[0], description.ElementStrides[1], description.ElementStrides[2]) = (1, 1, 1);
        return description;
    }
}
