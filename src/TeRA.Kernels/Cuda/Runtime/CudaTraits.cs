namespace TeRA.Kernels.Cuda;

/// <summary>
/// Rates for the planner's cost model, from what the driver tells. They rank plans; they are no promise. The shares of the peak are those
/// measured on an H100 SXM (88 % of the memory's peak in a copy, 76 % of the tensor cores' in a large bfloat16 product).
/// </summary>
internal static class CudaTraits
{
    /// <summary>What the system keeps of each block's shared memory; <see cref="DeviceTraits.SharedMemoryBytes"/> is without it.</summary>
    public const int ReservedSharedBytes = 1024;

    private const double MemoryShare = 0.88;
    private const double MatrixShare = 0.76;
    private const double LaunchSeconds = 1.6e-6;

    /// <summary>The traits; a clock or width of 0 (the driver keeps it to itself) is replaced by the architecture's usual one.</summary>
    /// <param name="architecture">10·major + minor.</param>
    /// <param name="processors">Streaming multiprocessors.</param>
    /// <param name="clock">Cycles of a multiprocessor per second.</param>
    /// <param name="memoryClock">Cycles of the memory per second; two transfers each.</param>
    /// <param name="busBits">Width of the memory's bus.</param>
    /// <param name="sharedBytes">Largest shared memory of a block.</param>
    public static DeviceTraits Estimate(int architecture, int processors, double clock, double memoryClock, int busBits, int sharedBytes)
    {
        (double half, double single, double usualBandwidth) = PerCycle(architecture);
        double rate = processors * (clock > 0 ? clock : 1.5e9);
        double peak = memoryClock > 0 && busBits > 0 ? 2 * memoryClock * busBits / 8 : usualBandwidth;
        return new DeviceTraits(
            DeviceKind.Cuda, architecture, processors, peak * MemoryShare, rate * half * MatrixShare, rate * single * MatrixShare, LaunchSeconds, sharedBytes);
    }

    // Operations of one multiprocessor per cycle (dense 16-bit products with float32 accumulation; float32 multiply-adds), and the
    // memory's bytes per second of a usual card.
    private static (double Half, double Single, double Bandwidth) PerCycle(int architecture) => architecture switch
    {
        < 80 => (512, 128, 0.3e12),
        80 => (2048, 128, 1.5e12),
        < 90 => (1024, 256, 0.6e12),
        < 100 => (4096, 256, 3.3e12),
        < 120 => (8192, 256, 7.7e12),
        _ => (1024, 256, 1.5e12),
    };
}
