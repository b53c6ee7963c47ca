namespace TeRA.Kernels;

/// <summary>One device as the driver lists it.</summary>
/// <param name="Ordinal">Its number.</param>
/// <param name="Name">The card's name.</param>
/// <param name="Major">Compute capability, major.</param>
/// <param name="Minor">Compute capability, minor.</param>
/// <param name="Processors">Streaming multiprocessors.</param>
/// <param name="MemoryBytes">Device memory.</param>
public sealed record CudaDeviceInfo(int Ordinal, string Name, int Major, int Minor, int Processors, long MemoryBytes);
