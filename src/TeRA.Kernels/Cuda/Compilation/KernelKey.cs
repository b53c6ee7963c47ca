using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// What a compiled kernel is known by: SHA-256 of our format's version, the compiler's version, the target, every option, and the name
/// and text of every source reached. Parts are hashed with their lengths, so that no two lists run together.
/// </summary>
internal sealed class KernelKey
{
    /// <summary>Counts changes to the cache's format and to the options that are always given.</summary>
    private const string FormatVersion = "tera-kernels cubin 1";

    private readonly byte[] hash;

    private KernelKey(string file, string architecture, byte[] hash)
    {
        this.hash = hash;
        FileName = $"{file.Replace('/', '-').Replace(".cu", string.Empty, StringComparison.Ordinal)}.{architecture}.{Convert.ToHexStringLower(hash)}.cubin";
    }

    /// <summary>The 32 bytes.</summary>
    public ReadOnlySpan<byte> Hash => hash;

    /// <summary>The name on disk, in the cache and among the kernels built ahead of time: <c>random-fill.sm_90a.[hash].cubin</c>.</summary>
    public string FileName { get; }

    /// <summary>Makes the key.</summary>
    /// <param name="sources">The kernel's file first, then its headers.</param>
    /// <param name="options">The request's own options.</param>
    /// <param name="architecture">The target.</param>
    /// <param name="compiler">The compiler and its version; empty for kernels built ahead of time, whose compiler nobody knows at load.</param>
    public static KernelKey Create(ImmutableArray<KernelSource> sources, ImmutableArray<string> options, string architecture, string compiler)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, FormatVersion);
        Append(hash, compiler);
        Append(hash, architecture);
        AppendLength(hash, options.Length);
        foreach (string option in options)
        {
            Append(hash, option);
        }

        foreach (KernelSource source in sources)
        {
            Append(hash, source.Name);
            Append(hash, source.Text);
        }

        return new KernelKey(sources[0].Name, architecture, hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        AppendLength(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    private static void AppendLength(IncrementalHash hash, int length)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
        hash.AppendData(bytes);
    }
}
