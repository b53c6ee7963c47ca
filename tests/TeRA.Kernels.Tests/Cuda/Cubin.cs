using System.Buffers.Binary;
using System.Text;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>The little of a cubin (a 64-bit ELF file) that tests look at without a driver.</summary>
internal static class Cubin
{
    private const byte SizedFormat = 4;
    private const byte ArgumentAttribute = 0x17;

    /// <summary>The kernels in it.</summary>
    public static IEnumerable<string> Entries(byte[] cubin) =>
        Sections(cubin).Where(section => section.Name.StartsWith(".text.", StringComparison.Ordinal)).Select(section => section.Name[".text.".Length..]);

    /// <summary>Bytes of the one argument of a kernel, from its section <c>.nv.info</c>.</summary>
    public static int ArgumentBytes(byte[] cubin, string entry)
    {
        (string _, byte[] info) = Sections(cubin).Single(section => section.Name == ".nv.info." + entry);
        int found = 0;
        for (int at = 0; at + 4 <= info.Length;)
        {
            int length = info[at] == SizedFormat ? BinaryPrimitives.ReadUInt16LittleEndian(info.AsSpan(at + 2)) : 0;
            if (length > 0 && info[at + 1] == ArgumentAttribute)
            {
                // Index, ordinal and offset, then a word whose upper 14 bits are the size. The total in the constant bank (attribute
                // 0x19) would not do: it counts the padding before an argument of wide alignment.
                found += (int)(BinaryPrimitives.ReadUInt32LittleEndian(info.AsSpan(at + 12)) >> 18);
            }

            at += 4 + length;
        }

        return found;
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
