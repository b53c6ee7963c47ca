using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Formats;

/// <summary>What holds for every file that can be written.</summary>
[TestFixture]
internal sealed class SafetensorsPropertyTests
{
    private static readonly Gen<(string Name, SafetensorsDType DType, long[] Shape, int Seed)> Tensors =
        from name in Gen.Elements("", "a", "b.weight", "\u00e9\u20ac", "\ud83d\ude00", "\"\\\n\t\0\u007f", new string('x', 300))
        from suffix in Gen.Choose(0, 99)
        from dtype in Gen.Elements(Enum.GetValues<SafetensorsDType>())
        from rank in Gen.Choose(0, 4)
        from lengths in Gen.ArrayOf(Gen.Frequency((1, Gen.Constant(0L)), (8, Gen.Choose(1, 7).Select(length => (long)length))), rank)
        from seed in Gen.Choose(0, int.MaxValue)
        select (name + suffix, dtype, lengths, seed);

    private static readonly Arbitrary<(string Name, SafetensorsDType DType, long[] Shape, int Seed)[]> Files =
        Gen.ArrayOf(Tensors).Select(all => all.DistinctBy(one => one.Name).Where(Whole).ToArray()).ToArbitrary();

    [Test]
    public void What_is_written_is_read() => Prop.ForAll(Files, tensors =>
    {
        var metadata = tensors.Take(3).ToDictionary(tensor => tensor.Name, tensor => tensor.Name + tensor.Seed);
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["f"], Sources(tensors), metadata);
        using SafetensorsFile file = SafetensorsFile.Open(folder["f"]);
        bool same = file.Tensors.Count == tensors.Length && file.Metadata.OrderBy(pair => pair.Key).SequenceEqual(metadata.OrderBy(pair => pair.Key));
        foreach ((string name, SafetensorsDType dtype, long[] shape, int seed) in tensors)
        {
            SafetensorsEntry entry = file.Entry(name);
            same &= entry.DType == dtype && entry.Shape.SequenceEqual(shape) && file.Bytes(name).SequenceEqual(Data(dtype, shape, seed));
        }

        return same;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void The_order_of_the_tensors_given_does_not_matter() => Prop.ForAll(Files, tensors =>
        FormatFixtures.Write(Sources(tensors)).AsSpan().SequenceEqual(FormatFixtures.Write(Sources(tensors).Reverse()))).QuickCheckThrowOnFailure();

    [Test]
    public void Every_element_is_aligned_to_its_size() => Prop.ForAll(Files, tensors =>
    {
        TeRA.Kernels.Formats.SafetensorsHeader header = FormatFixtures.Parse(FormatFixtures.Write(Sources(tensors)));
        return header.Tensors.Values.All(entry => (header.DataStart + entry.Offset) % Math.Max(entry.DType.Bits() / 8, 1) == 0);
    }).QuickCheckThrowOnFailure();

    [Test]
    public void A_file_without_its_last_byte_or_with_one_more_is_refused() => Prop.ForAll(Files, tensors =>
    {
        byte[] file = FormatFixtures.Write(Sources(tensors));
        return Refused(file[..^1]) && Refused([.. file, 0]);
    }).QuickCheckThrowOnFailure();

    private static bool Refused(byte[] file)
    {
        try
        {
            FormatFixtures.Parse(file);
            return false;
        }
        catch (FileFormatException error)
        {
            return error.Rule is FileRule.DataOutsideFile or FileRule.DataTrailing or FileRule.HeaderOutsideFile;
        }
    }

    private static bool Whole((string Name, SafetensorsDType DType, long[] Shape, int Seed) tensor) =>
        tensor.Shape.Aggregate(1L, (product, length) => product * length) * tensor.DType.Bits() % 8 == 0;

    private static IEnumerable<SafetensorsSource> Sources((string Name, SafetensorsDType DType, long[] Shape, int Seed)[] tensors) =>
        tensors.Select(tensor => SafetensorsSource.From(tensor.Name, tensor.DType, stream => stream.Write(Data(tensor.DType, tensor.Shape, tensor.Seed)), tensor.Shape));

    private static byte[] Data(SafetensorsDType dtype, long[] shape, int seed)
    {
        byte[] data = new byte[shape.Aggregate(1L, (product, length) => product * length) * dtype.Bits() / 8];
        new System.Random(seed).NextBytes(data);
        return data;
    }
}
