namespace TeRA.Kernels;

/// <summary>What a <see cref="Device"/> runs on.</summary>
public enum DeviceKind
{
    /// <summary>The host's processor.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU through the CUDA driver.</summary>
    Cuda,
}
