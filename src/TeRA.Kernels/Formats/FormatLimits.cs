namespace TeRA.Kernels.Formats;

/// <summary>Bounds that no honest file meets, checked before anything of the claimed size is allocated.</summary>
internal static class FormatLimits
{
    /// <summary>Bytes of a safetensors header: the format's own bound.</summary>
    public const int HeaderBytes = 100_000_000;

    /// <summary>Keys of a safetensors header, those of the tensors' entries not counted. The largest mixtures of experts have some 10⁵ tensors.</summary>
    public const int HeaderKeys = 262_144;

    /// <summary>Dimensions of a tensor.</summary>
    public const int Rank = 64;

    /// <summary>Bytes of an adapter's configuration; a list of 10⁵ module names takes some 6 MB.</summary>
    public const int ConfigBytes = 64 * 1024 * 1024;

    /// <summary>Keys of a configuration, at all depths together.</summary>
    public const int ConfigKeys = 262_144;

    /// <summary>Nesting of a configuration.</summary>
    public const int ConfigDepth = 64;

    /// <summary>Bytes copied at a time between files and devices.</summary>
    public const int ChunkBytes = 4 * 1024 * 1024;
}
