using System.Buffers.Binary;
using System.Text;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// Writes safetensors files as the format's own writer does: tensors by falling size of their elements, then by name; the header
/// padded with spaces to a multiple of 8. The file is written beside its place, flushed to the disk and renamed, so that readers see the old or
/// the new file and never a part of one.
/// </summary>
public static class SafetensorsWriter
{
    internal const string MetadataKey = "__metadata__";

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Writes a file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="tensors">What, in any order, under different names.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>; readers in Python like to see <c>format</c> = <c>pt</c>.</param>
    /// <param name="overwrite">Whether a file that is already there may be replaced.</param>
    /// <exception cref="ArgumentException">A name stands twice, is reserved or is no text, or the header would be too large.</exception>
    /// <exception cref="IOException">The file exists and <paramref name="overwrite"/> is false, or it can't be written; what was there is untouched.</exception>
    public static void Write(string path, IEnumerable<SafetensorsSource> tensors, IReadOnlyDictionary<string, string>? metadata = null, bool overwrite = false)
    {
        SafetensorsSource[] ordered = Order(tensors);
        byte[] header = Header(ordered, metadata);
        long total = ordered.Aggregate((long)header.Length, (sum, tensor) => checked(sum + tensor.ByteCount));
        using var file = new PendingFile(path, overwrite, total);
        file.Write(stream => WriteAll(stream, header, ordered));
        file.Publish();
    }

    internal static void Write(Stream stream, IEnumerable<SafetensorsSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        SafetensorsSource[] ordered = Order(tensors);
        WriteAll(stream, Header(ordered, metadata), ordered);
    }

    private static void WriteAll(Stream stream, byte[] header, SafetensorsSource[] tensors)
    {
        stream.Write(header);
        foreach (SafetensorsSource tensor in tensors)
        {
            tensor.WriteTo(stream);
        }
    }

    private static SafetensorsSource[] Order(IEnumerable<SafetensorsSource> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var names = new HashSet<string>(StringComparer.Ordinal);
        SafetensorsSource[] ordered = [.. tensors.OrderByDescending(tensor => tensor.DType).ThenBy(tensor => tensor.Name, CodePointOrder.Instance)];
        foreach (SafetensorsSource tensor in ordered)
        {
            if (tensor.Name == MetadataKey)
            {
                throw new ArgumentException($"A tensor can't be called {MetadataKey}; the format uses that name.", nameof(tensors));
            }

            if (!names.Add(tensor.Name))
            {
                throw new ArgumentException($"Expected different names, found {Quote.Text(tensor.Name)} twice.", nameof(tensors));
            }
        }

        return ordered.Length <= FormatLimits.HeaderKeys
            ? ordered
            : throw new ArgumentException($"Expected at most {FormatLimits.HeaderKeys} tensors, found {ordered.Length}.", nameof(tensors));
    }

    /// <summary>The length and the padded JSON text.</summary>
    private static byte[] Header(SafetensorsSource[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var json = new StringBuilder("{");
        if (metadata is { Count: > 0 })
        {
            AppendMetadata(json, metadata);
        }

        long offset = 0;
        foreach (SafetensorsSource tensor in tensors)
        {
            Separate(json);
            JsonText.AppendString(json, tensor.Name, asciiOnly: false);
            long end = checked(offset + tensor.ByteCount);
            json.Append($":{{\"dtype\":\"{tensor.DType.Label()}\",\"shape\":[{string.Join(',', tensor.Shape)}],\"data_offsets\":[{offset},{end}]}}");
            offset = end;
        }

        return Pad(json.Append('}').ToString());
    }

    private static void AppendMetadata(StringBuilder json, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Count > FormatLimits.HeaderKeys)
        {
            throw new ArgumentException($"Expected at most {FormatLimits.HeaderKeys} keys of metadata, found {metadata.Count}.", nameof(metadata));
        }

        json.Append($"\"{MetadataKey}\":{{");
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, CodePointOrder.Instance))
        {
            Separate(json);
            JsonText.AppendString(json, key, asciiOnly: false);
            json.Append(':');
            JsonText.AppendString(json, value, asciiOnly: false);
        }

        json.Append('}');
    }

    private static void Separate(StringBuilder json)
    {
        if (json[^1] != '{')
        {
            json.Append(',');
        }
    }

    private static byte[] Pad(string json)
    {
        byte[] text;
        try
        {
            text = StrictUtf8.GetBytes(json);
        }
        catch (EncoderFallbackException error)
        {
            throw new ArgumentException("A name or a metadata string holds half of a surrogate pair; expected whole characters.", error);
        }

        int length = (text.Length + 7) / 8 * 8;
        if (length > FormatLimits.HeaderBytes)
        {
            throw new ArgumentException($"The header would take {length} bytes, the format allows {FormatLimits.HeaderBytes}; use fewer tensors or shorter names.");
        }

        byte[] header = new byte[SafetensorsHeader.LengthBytes + length];
        header.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        text.CopyTo(header, SafetensorsHeader.LengthBytes);
        return header;
    }
}
