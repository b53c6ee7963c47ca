namespace TeRA.Kernels;

/// <summary>What the planner knows of a device: rates as measured or estimated, never a handle.</summary>
/// <param name="Kind">CPU or CUDA.</param>
/// <param name="Architecture">CUDA compute capability as 10·major + minor (90 for Hopper); 0 on the CPU.</param>
/// <param name="Processors">Streaming multiprocessors, or hardware threads.</param>
/// <param name="BytesPerSecond">Memory bandwidth, read plus write.</param>
/// <param name="HalfOperationsPerSecond">Matrix rate for 16-bit operands (multiply and add counted as two).</param>
/// <param name="SingleOperationsPerSecond">Matrix rate for float32 operands.</param>
/// <param name="LaunchSeconds">Fixed cost of one step among others: what its launch adds between two kernels.</param>
/// <param name="SharedMemoryBytes">Largest shared memory of a block; 0 on the CPU.</param>
internal sealed record DeviceTraits(
    DeviceKind Kind,
    int Architecture,
    int Processors,
    double BytesPerSecond,
    double HalfOperationsPerSecond,
    double SingleOperationsPerSecond,
    double LaunchSeconds,
    int SharedMemoryBytes)
{
    /// <summary>A two-core host, for plans made without a device.</summary>
    public static DeviceTraits GenericCpu { get; } = new(DeviceKind.Cpu, 0, 2, 20e9, 60e9, 60e9, 2e-6, 0);

    /// <summary>An H100 SXM as measured (copy 2.96 TB/s, bf16 products 755 TFLOP/s), for plans made without one.</summary>
    public static DeviceTraits H100 { get; } = new(DeviceKind.Cuda, 90, 132, 2.96e12, 755e12, 50e12, 1.6e-6, 232448);
}
