using System.Buffers.Binary;
using System.Security.Cryptography;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Compiled kernels on disk. An entry is used only when magic, key, length and checksum agree, so a damaged or foreign file costs one
/// compilation and nothing else; so does a folder that can't be read or written. Entries are written beside and renamed, which makes any
/// number of processes at once safe: whoever renames last wins, with the same bytes.
/// </summary>
/// <param name="directory">The folder; null for no cache.</param>
internal sealed class CubinCache(string? directory)
{
    private const int HashBytes = 32;
    private const int HeaderBytes = 8 + HashBytes + 8 + HashBytes;

    /// <summary>The environment variable of the folder; <c>off</c> for none.</summary>
    public const string Variable = "TERA_CACHE";

    /// <summary>The folder; null for no cache.</summary>
    public string? Directory => directory;

    private static ReadOnlySpan<byte> Magic => "TERACUB1"u8;

    /// <summary>The cache that the options and the environment ask for.</summary>
    public static CubinCache Create(CudaOptions options, Func<string, string?> environment)
    {
        string? variable = environment(Variable);
        if (options.DisableCache || (options.CacheDirectory is null && string.Equals(variable, "off", StringComparison.OrdinalIgnoreCase)))
        {
            return new CubinCache(null);
        }

        return new CubinCache(options.CacheDirectory ?? NonEmpty(variable) ?? DefaultDirectory(environment));
    }

    /// <summary>The cubin; null when there is none that can be trusted.</summary>
    public byte[]? Read(KernelKey key)
    {
        if (directory is null)
        {
            return null;
        }

        try
        {
            return Decode(File.ReadAllBytes(Path.Combine(directory, key.FileName)), key);
        }
        catch (Exception error) when (IsDiskError(error))
        {
            return null;
        }
    }

    /// <summary>Keeps a cubin, if the disk lets us.</summary>
    /// <returns>Whether it is kept.</returns>
    public bool Write(KernelKey key, ReadOnlySpan<byte> cubin)
    {
        if (directory is null)
        {
            return false;
        }

        string? temporary = null;
        try
        {
            System.IO.Directory.CreateDirectory(directory);
            temporary = Path.Combine(directory, $".{Guid.NewGuid():n}.tmp");
            File.WriteAllBytes(temporary, Encode(key, cubin));
            File.Move(temporary, Path.Combine(directory, key.FileName), overwrite: true);
            return true;
        }
        catch (Exception error) when (IsDiskError(error))
        {
            Remove(temporary);
            return false;
        }
    }

    internal static byte[] Encode(KernelKey key, ReadOnlySpan<byte> cubin)
    {
        var entry = new byte[HeaderBytes + cubin.Length];
        Magic.CopyTo(entry);
        key.Hash.CopyTo(entry.AsSpan(8));
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(8 + HashBytes), cubin.Length);
        SHA256.HashData(cubin, entry.AsSpan(16 + HashBytes));
        cubin.CopyTo(entry.AsSpan(HeaderBytes));
        return entry;
    }

    internal static byte[]? Decode(byte[] entry, KernelKey key)
    {
        if (entry.Length < HeaderBytes
            || !entry.AsSpan(0, 8).SequenceEqual(Magic)
            || !entry.AsSpan(8, HashBytes).SequenceEqual(key.Hash)
            || BinaryPrimitives.ReadInt64LittleEndian(entry.AsSpan(8 + HashBytes)) != entry.Length - HeaderBytes)
        {
            return null;
        }

        ReadOnlySpan<byte> cubin = entry.AsSpan(HeaderBytes);
        return SHA256.HashData(cubin).AsSpan().SequenceEqual(entry.AsSpan(16 + HashBytes, HashBytes)) ? cubin.ToArray() : null;
    }

    internal static string DefaultDirectory(Func<string, string?> environment)
    {
        string root = OperatingSystem.IsWindows()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : NonEmpty(environment("XDG_CACHE_HOME")) ?? Path.Combine(NonEmpty(environment("HOME")) ?? Path.GetTempPath(), ".cache");
        return Path.Combine(root, "tera-kernels");
    }

    private static string? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static bool IsDiskError(Exception error) => error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException;

    private static void Remove(string? path)
    {
        try
        {
            if (path is not null)
            {
                File.Delete(path);
            }
        }
        catch (Exception error) when (IsDiskError(error))
        {
            // A temporary file that stays behind is harmless: its name is never read.
        }
    }
}
