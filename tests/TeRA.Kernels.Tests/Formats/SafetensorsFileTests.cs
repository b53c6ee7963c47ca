using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Formats;

[TestFixture]
internal sealed class SafetensorsFileTests
{
    [Test]
    public void A_file_of_PEFT_is_read()
    {
        using SafetensorsFile file = SafetensorsFile.Open(FormatFixtures.Data("lora-square/adapter_model.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(file.Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt" }));
            Assert.That(file.Tensors.Values.Select(entry => entry.ToString()), Is.EquivalentTo(new[]
            {
                "base_model.model.fc0.lora_A.weight F32[4, 48]",
                "base_model.model.fc0.lora_B.weight F32[48, 4]",
            }));
            Assert.That(file.Bytes("base_model.model.fc0.lora_B.weight").Length, Is.EqualTo(768));
            float[] values = file.ReadSingles("base_model.model.fc0.lora_A.weight");
            Assert.That(MemoryMarshal.AsBytes(values.AsSpan()).SequenceEqual(file.Bytes("base_model.model.fc0.lora_A.weight")));
            Assert.That(values.Any(value => value != 0));
        });
    }

    [TestCase("lora-square")]
    [TestCase("vera-mixed-noproj")]
    public void A_file_of_PEFT_is_written_again_byte_for_byte(string name)
    {
        string path = FormatFixtures.Data($"{name}/adapter_model.safetensors");
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] written = FormatFixtures.Write(file.Tensors.Keys.Reverse().Select(tensor => SafetensorsSource.From(file, tensor)), file.Metadata);
        Assert.That(written, Is.EqualTo(File.ReadAllBytes(path)));
    }

    [Test]
    public void Empty_files_empty_tensors_and_scalars_are_legal()
    {
        Assert.That(FormatFixtures.Parse(FormatFixtures.File("{}")).Tensors, Is.Empty);
        Assert.That(FormatFixtures.Parse(FormatFixtures.File("{\"__metadata__\":{}} \t\r\n ")).Metadata, Is.Empty);
        using var folder = new TemporaryFolder();
        string path = folder["f"];
        SafetensorsWriter.Write(path,
        [
            SafetensorsSource.From("scalar", new[] { 7f }),
            SafetensorsSource.From("empty", ReadOnlyMemory<double>.Empty, 3, 0),
            SafetensorsSource.From("also", ReadOnlyMemory<float>.Empty, 0),
        ]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Multiple(() =>
        {
            Assert.That(file.Entry("scalar").Shape, Is.Empty);
            Assert.That(file.ReadSingles("scalar"), Is.EqualTo(new[] { 7f }));
            Assert.That(file.Bytes("empty").Length, Is.Zero);
            Assert.That(file.ReadSingles("empty"), Is.Empty);
            Assert.That(file.Entry("also").ByteCount, Is.Zero);
        });
    }

    [Test]
    public void NaN_and_infinity_pass_with_their_bits()
    {
        uint[] bits = [0x7fc00001, 0xffc12345, 0x7f800001, 0x7f800000, 0xff800000, 0x80000000];
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["f"], [SafetensorsSource.From("x", MemoryMarshal.Cast<uint, float>(bits).ToArray(), bits.Length)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["f"]);
        Assert.That(file.ReadSingles("x").Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(bits));
    }

    [Test]
    public void Sixteen_and_64_bit_numbers_are_read_as_float32()
    {
        double[] values = [1.0 / 3, -2.5, 0, 65504];
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["f"],
        [
            SafetensorsSource.From("f64", values, 4),
            SafetensorsSource.From("f16", values.Select(value => (Half)value).ToArray(), 2, 2),
            SafetensorsSource.From("bf16", values.Select(value => (BFloat16)(float)value).ToArray(), 4),
        ]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["f"]);
        Assert.Multiple(() =>
        {
            Assert.That(file.ReadSingles("f64"), Is.EqualTo(values.Select(value => (float)value)));
            Assert.That(file.ReadSingles("f16"), Is.EqualTo(values.Select(value => (float)(Half)value)));
            Assert.That(file.ReadSingles("bf16"), Is.EqualTo(values.Select(value => (float)(BFloat16)(float)value)));
        });
    }

    [Test]
    public void Tensors_travel_between_files_and_devices()
    {
        // More than one chunk, so that the pieces are put where they belong.
        float[] values = [.. Enumerable.Range(0, 2_500_000).Select(i => (float)i)];
        using var device = new NaiveDevice();
        using var folder = new TemporaryFolder();
        using Tensor source = device.From<float>(values, 5, 500_000);
        SafetensorsWriter.Write(folder["f"], [SafetensorsSource.From("x", source)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["f"]);
        using Tensor read = file.ToTensor("x", device);
        Assert.Multiple(() =>
        {
            Assert.That(read.Shape.ToArray(), Is.EqualTo(new long[] { 5, 500_000 }));
            Assert.That(read.ToArray<float>().AsSpan().SequenceEqual(values));
            Assert.That(file.ReadSingles("x").AsSpan().SequenceEqual(values));
        });
    }

    [Test]
    public void A_copy_needs_the_same_dtype_and_shape()
    {
        using var device = new NaiveDevice();
        using SafetensorsFile file = SafetensorsFile.Open(FormatFixtures.Data("lora-square/adapter_model.safetensors"));
        using Tensor transposed = device.Allocate(DType.Float32, 48, 4);
        using Tensor half = device.Allocate(DType.Float16, 4, 48);
        Assert.Multiple(() =>
        {
            Assert.That(() => file.CopyTo("base_model.model.fc0.lora_A.weight", transposed), Throws.ArgumentException.With.Message.Contains("Expected a tensor of float32[4, 48]").And.Message.Contains("found float32[48, 4]"));
            Assert.That(() => file.CopyTo("base_model.model.fc0.lora_A.weight", half), Throws.ArgumentException.With.Message.Contains("found float16[4, 48]"));
        });
    }

    [Test]
    public void Every_dtype_is_listed_and_carried_but_only_floats_become_tensors()
    {
        using var device = new NaiveDevice();
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["a"], Enum.GetValues<SafetensorsDType>().Select(dtype =>
            SafetensorsSource.From(dtype.Label(), dtype, stream => stream.Write([.. Enumerable.Range(1, dtype.Bits()).Select(i => (byte)i)]), 8)));
        using SafetensorsFile file = SafetensorsFile.Open(folder["a"]);
        SafetensorsWriter.Write(folder["b"], file.Tensors.Keys.Select(name => SafetensorsSource.From(file, name)));
        Assert.That(File.ReadAllBytes(folder["b"]), Is.EqualTo(File.ReadAllBytes(folder["a"])));
        foreach (SafetensorsDType dtype in Enum.GetValues<SafetensorsDType>())
        {
            Assert.That(file.Entry(dtype.Label()).DType, Is.EqualTo(dtype));
            Assert.That(file.Bytes(dtype.Label()).ToArray(), Is.EqualTo(Enumerable.Range(1, dtype.Bits())));
            if (dtype.ToTensorDType() is null)
            {
                FileFormatException? error = Assert.Throws<FileFormatException>(() => file.ToTensor(dtype.Label(), device));
                Assert.That(error!.Message, Does.Contain($"\"{dtype.Label()}\" has dtype {dtype.Label()}"));
            }
            else
            {
                using Tensor tensor = file.ToTensor(dtype.Label(), device);
                Assert.That(tensor.DType.ToSafetensors(), Is.EqualTo(dtype));
            }
        }
    }

    [Test]
    public void A_disposed_file_refuses_to_be_read()
    {
        SafetensorsFile file = SafetensorsFile.Open(FormatFixtures.Data("lora-square/adapter_model.safetensors"));
        file.Dispose();
        file.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(() => file.Bytes("base_model.model.fc0.lora_A.weight"), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => file.ReadSingles("base_model.model.fc0.lora_A.weight"), Throws.TypeOf<ObjectDisposedException>());
        });
    }

    [Test]
    public void A_file_that_grows_or_is_replaced_is_read_as_it_was()
    {
        using var folder = new TemporaryFolder();
        string path = folder["f"];
        SafetensorsWriter.Write(path, [SafetensorsSource.From("x", new[] { 1f, 2f }, 2)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsWriter.Write(path, [SafetensorsSource.From("x", new[] { 3f }, 1)], overwrite: true);
        Assert.That(file.ReadSingles("x"), Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void A_missing_file_is_the_frameworks_error() =>
        Assert.That(() => SafetensorsFile.Open("no such file"), Throws.TypeOf<FileNotFoundException>());

    [Test]
    public void Opening_a_large_file_costs_its_header_alone()
    {
        using var folder = new TemporaryFolder();
        string path = folder["large"];
        const long Elements = 1L << 30;
        byte[] header = FormatFixtures.File($"{{\"x\":{{\"dtype\":\"F32\",\"shape\":[{Elements}],\"data_offsets\":[0,{Elements * 4}]}}}}");
        using (FileStream stream = File.Create(path))
        {
            // Sparse: the disk holds the header and the last number.
            stream.Write(header);
            stream.SetLength(header.Length + (Elements * 4));
            stream.Seek(-4, SeekOrigin.End);
            stream.Write([0, 0, 128, 63]);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000));
        Assert.That(file.Entry("x").ByteCount, Is.EqualTo(Elements * 4));
        Assert.That(() => file.Bytes("x").Length, Throws.InvalidOperationException.With.Message.Contains("4294967296 bytes, more than a span holds"));
    }
}
