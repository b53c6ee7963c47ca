using System.Buffers.Binary;

namespace TeRA.Kernels.Formats;

/// <summary>A validated header: what the file holds and where. Made from bytes alone, so that it can be tested without a disk.</summary>
internal sealed class SafetensorsHeader
{
    public const int LengthBytes = 8;

    private SafetensorsHeader(long dataStart, Dictionary<string, SafetensorsEntry> tensors, SortedDictionary<string, string> metadata)
    {
        DataStart = dataStart;
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The file's first byte of data.</summary>
    public long DataStart { get; }

    public Dictionary<string, SafetensorsEntry> Tensors { get; }

    public SortedDictionary<string, string> Metadata { get; }

    /// <summary>Reads and checks everything there is to check; no tensor's data is looked at.</summary>
    /// <param name="start">The file's first bytes: all of it, or at least 8 + 100,000,000.</param>
    /// <param name="fileLength">Bytes of the whole file.</param>
    /// <param name="path">The file's name for errors.</param>
    /// <exception cref="FileFormatException">A rule is broken.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> start, long fileLength, string path)
    {
        int length = HeaderLength(start, fileLength, path);
        var reader = new SafetensorsHeaderReader(start.Slice(LengthBytes, length), path);
        reader.Read();
        long dataStart = LengthBytes + length;
        CheckTiling(reader.Tensors.Values, fileLength - dataStart, path);
        return new SafetensorsHeader(dataStart, reader.Tensors, reader.Metadata);
    }

    private static int HeaderLength(ReadOnlySpan<byte> start, long fileLength, string path)
    {
        if (fileLength < LengthBytes)
        {
            throw new FileFormatException(path, FileRule.HeaderTooSmall, $"a safetensors file starts with 8 bytes for the header's length; this file has {fileLength} in all. It is empty, cut short or of another format.");
        }

        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > FormatLimits.HeaderBytes)
        {
            throw new FileFormatException(path, FileRule.HeaderTooLarge, $"the header may have at most {FormatLimits.HeaderBytes} bytes, the file claims {length}. It is damaged or no safetensors file.");
        }

        if ((long)length > fileLength - LengthBytes)
        {
            throw new FileFormatException(path, FileRule.HeaderOutsideFile, $"the file claims a header of {length} bytes but has only {fileLength - LengthBytes} after the length. It was cut short; fetch it again.");
        }

        if (length == 0 || start[LengthBytes] != (byte)'{')
        {
            string found = length == 0 ? "an empty header" : $"byte 0x{start[LengthBytes]:x2}";
            throw new FileFormatException(path, FileRule.HeaderStart, $"the header must start with '{{', found {found}. The file is damaged or no safetensors file.");
        }

        return (int)length;
    }

    /// <summary>In the order of their offsets, tensors must follow each other without hole or overlap and end where the file ends.</summary>
    private static void CheckTiling(IReadOnlyCollection<SafetensorsEntry> tensors, long dataLength, string path)
    {
        SafetensorsEntry[] sorted = [.. tensors];
        Array.Sort(sorted, static (left, right) => (left.Offset, left.ByteCount).CompareTo((right.Offset, right.ByteCount)));
        long end = 0;
        foreach (SafetensorsEntry entry in sorted)
        {
            if (entry.Offset != end)
            {
                string rule = entry.Offset > end ? FileRule.DataHole : FileRule.DataOverlap;
                throw new FileFormatException(path, rule, $"tensor {Quote.Text(entry.Name)} must start at byte {end} of the data, where the one before it ends, but starts at {entry.Offset}. Write the file again with a sound writer.");
            }

            end = entry.Offset + entry.ByteCount;
        }

        if (end > dataLength)
        {
            throw new FileFormatException(path, FileRule.DataOutsideFile, $"the tensors need {end} bytes of data, the file has {dataLength}. It was cut short; fetch it again.");
        }

        if (end < dataLength)
        {
            throw new FileFormatException(path, FileRule.DataTrailing, $"the tensors need {end} bytes of data, the file has {dataLength}. Bytes after the last tensor are not allowed.");
        }
    }
}
