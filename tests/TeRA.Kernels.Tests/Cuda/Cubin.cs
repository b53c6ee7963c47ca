using System.Buffers.Binary;
using System.Text;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The little of a cubin (a 64-bit ELF file) that tests look at without a driver.</summary>
internal static class Cubin
{
    private const byte HalfValueFormat = 3;
    private const byte ArgumentBytesAttribute = 0x19;

    /// <summary>The kernels in it.</summary>
    public static IEnumerable<string> Entries(byte[] cubin) =>
        Sections(cubin).Where(section => section.Name.StartsWith(".text.", StringComparison.Ordinal)).Select(section => section.Name[".text.".Length..]);

    /// <summary>Bytes of the arguments of a kernel, from its section <c>.nv.info</c>.</summary>
    public static int ArgumentBytes(byte[] cubin, string entry)
    {
        (string _, byte[] info) = Sections(cubin).Single(section => section.Name == ".nv.info." + entry);
        for (int at = 0; at + 4 <= info.Length;)
        {
            int value = BinaryPrimitives.ReadUInt16LittleEndian(info.AsSpan(at + 2));
            if (info[at] == HalfValueFormat && info[at + 1] == ArgumentBytesAttribute)
            {
                return value;
            }

            // Format 4 carries that many bytes after the head; the others are four bytes in all.
            at += 4 + (info[at] == 4 ? value : 0);
        }

        throw new InvalidDataException($"The cubin does not tell the size of the arguments of {entry}.");
    }

    private static List<(string Name, byte[] Data)> Sections(byte[] cubin)
    {
        long table = BinaryPrimitives.ReadInt64LittleEndian(cubin.AsSpan(0x28));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(cubin.AsSpan(0x3A));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(cubin.AsSpan(0x3C));
        int names = BinaryPrimitives.ReadUInt16LittleEndian(cubin.AsSpan(0x3E));
        ReadOnlySpan<byte> strings = Data(cubin, table + (names * size));
        var sections = new List<(string, byte[])>();
        for (int i = 0; i < count; i++)
        {
            long header = table + (i * size);
            ReadOnlySpan<byte> name = strings[BinaryPrimitives.ReadInt32LittleEndian(cubin.AsSpan((int)header))..];
            sections.Add((Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]), Data(cubin, header).ToArray()));
        }

        return sections;
    }

    private static ReadOnlySpan<byte> Data(byte[] cubin, long header)
    {
        const int NoBits = 8;
        bool empty = BinaryPrimitives.ReadInt32LittleEndian(cubin.AsSpan((int)header + 4)) == NoBits;
        long offset = BinaryPrimitives.ReadInt64LittleEndian(cubin.AsSpan((int)header + 0x18));
        long length = BinaryPrimitives.ReadInt64LittleEndian(cubin.AsSpan((int)header + 0x20));
        return empty ? default : cubin.AsSpan((int)offset, (int)length);
    }
}
