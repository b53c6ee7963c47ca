using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>The outcome of looking for NVRTC.</summary>
/// <param name="Compiler">It, or null.</param>
/// <param name="Attempts">Every path that failed, with the loader's words.</param>
internal sealed record NvrtcSearch(NvrtcCompiler? Compiler, ImmutableArray<string> Attempts);
