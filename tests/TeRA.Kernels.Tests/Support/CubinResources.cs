using System.Buffers.Binary;
using System.Text;

namespace TeRA.Kernels.Tests.Support;

/// <summary>What a cubin says about its kernels' needs, read from the ELF file without a GPU.</summary>
/// <param name="Registers">Most registers of a thread.</param>
/// <param name="FrameBytes">Largest stack frame, where spilled registers and indexed arrays lie; 0 is the aim.</param>
internal readonly record struct CubinResources(int Registers, int FrameBytes)
{
    private const int SectionTable = 0x28, SectionSize = 0x3A, SectionCount = 0x3C, NameSection = 0x3E;
    private const byte SizedValue = 4, FrameSize = 0x11, RegisterCount = 0x2F;

    /// <summary>Reads <paramref name="cubin"/>.</summary>
    /// <exception cref="InvalidDataException">It has no list of attributes, or one without registers.</exception>
    public static CubinResources Read(ReadOnlySpan<byte> cubin)
    {
        int registers = 0, frame = 0;
        ReadOnlySpan<byte> attributes = Section(cubin, ".nv.info");
        for (int at = 0; at + 4 <= attributes.Length;)
        {
            int size = attributes[at] == SizedValue ? BinaryPrimitives.ReadUInt16LittleEndian(attributes[(at + 2)..]) : 0;
            if (attributes[at] == SizedValue && attributes[at + 1] is FrameSize or RegisterCount)
            {
                // A symbol's number, then the value.
                int value = BinaryPrimitives.ReadInt32LittleEndian(attributes[(at + 8)..]);
                (registers, frame) = attributes[at + 1] == RegisterCount ? (Math.Max(registers, value), frame) : (registers, Math.Max(frame, value));
            }

            at += 4 + size;
        }

        return registers > 0 ? new CubinResources(registers, frame) : throw new InvalidDataException("The cubin lists no registers.");
    }

    private static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> cubin, string name)
    {
        int table = (int)BinaryPrimitives.ReadInt64LittleEndian(cubin[SectionTable..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(cubin[SectionSize..]), count = BinaryPrimitives.ReadUInt16LittleEndian(cubin[SectionCount..]);
        ReadOnlySpan<byte> names = Contents(cubin, table + (size * BinaryPrimitives.ReadUInt16LittleEndian(cubin[NameSection..])));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> own = names[BinaryPrimitives.ReadInt32LittleEndian(cubin[(table + (i * size))..])..];
            if (Encoding.ASCII.GetString(own[..own.IndexOf((byte)0)]) == name)
            {
                return Contents(cubin, table + (i * size));
            }
        }

        throw new InvalidDataException($"The cubin has no section {name}.");
    }

    private static ReadOnlySpan<byte> Contents(ReadOnlySpan<byte> cubin, int header) => cubin.Slice(
        (int)BinaryPrimitives.ReadInt64LittleEndian(cubin[(header + 0x18)..]), (int)BinaryPrimitives.ReadInt64LittleEndian(cubin[(header + 0x20)..]));
}
