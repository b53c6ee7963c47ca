using System.Text;
using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats;

[TestFixture]
internal sealed class SafetensorsWriterTests
{
    [Test]
    public void Tensors_go_by_falling_size_of_elements_then_by_name_and_the_header_is_padded()
    {
        byte[] file = FormatFixtures.Write(
        [
            FormatFixtures.Zeros("b", SafetensorsDType.F32, 1),
            FormatFixtures.Zeros("\uffee", SafetensorsDType.U8, 1),
            FormatFixtures.Zeros("\ud83d\ude00", SafetensorsDType.U8, 1),
            FormatFixtures.Zeros("a", SafetensorsDType.F32, 1),
            FormatFixtures.Zeros("z", SafetensorsDType.I64, 1),
        ], new Dictionary<string, string> { ["format"] = "pt", ["a"] = "\"\n\u0001" });
        int length = BitConverter.ToInt32(file);
        string header = Encoding.UTF8.GetString(file, 8, length);
        Assert.Multiple(() =>
        {
            Assert.That(length % 8, Is.Zero);
            Assert.That(header.TrimEnd(' '), Is.EqualTo(
                "{\"__metadata__\":{\"a\":\"\\\"\\n\\u0001\",\"format\":\"pt\"},"
                + "\"z\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]},"
                + "\"\uffee\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[16,17]},"
                + "\"\ud83d\ude00\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[17,18]}}"));
            Assert.That(file, Has.Length.EqualTo(8 + length + 18));
        });
    }

    [Test]
    public void Wrong_arguments_are_named_before_anything_is_written()
    {
        using var folder = new TemporaryFolder();
        SafetensorsSource a = FormatFixtures.Zeros("a", SafetensorsDType.F32, 1);
        Assert.Multiple(() =>
        {
            Assert.That(() => SafetensorsWriter.Write(folder["f"], [a, a]), Throws.ArgumentException.With.Message.Contains("\"a\" twice"));
            Assert.That(() => SafetensorsWriter.Write(folder["f"], [FormatFixtures.Zeros("__metadata__", SafetensorsDType.F32, 1)]), Throws.ArgumentException.With.Message.Contains("__metadata__"));
            Assert.That(() => SafetensorsWriter.Write(folder["f"], [FormatFixtures.Zeros("\ud800", SafetensorsDType.F32, 1)]), Throws.ArgumentException.With.Message.Contains("surrogate"));
            Assert.That(() => SafetensorsSource.From("x", new float[3], 2, 2), Throws.ArgumentException.With.Message.Contains("Expected 4 values for \"x\" of shape [2, 2], found 3"));
            Assert.That(() => SafetensorsSource.From("x", new int[1], 1), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => SafetensorsSource.From("x", SafetensorsDType.F4, _ => { }, 3), Throws.ArgumentException.With.Message.Contains("12 bits"));
            Assert.That(() => SafetensorsSource.From("x", SafetensorsDType.F32, _ => { }, long.MaxValue), Throws.ArgumentException.With.Message.Contains("2^63-1"));
            Assert.That(() => SafetensorsSource.From("x", SafetensorsDType.F32, _ => { }, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => SafetensorsSource.From("x", SafetensorsDType.F32, _ => { }, new long[65]), Throws.ArgumentException.With.Message.Contains("65 dimensions"));
        });
        Assert.That(folder.Names, Is.Empty);
    }

    [TestCase(3, "wrote 3")]
    [TestCase(5, "wrote more than 4")]
    public void A_callback_that_writes_another_number_of_bytes_leaves_nothing(int bytes, string words)
    {
        using var folder = new TemporaryFolder();
        SafetensorsSource source = SafetensorsSource.From("x", SafetensorsDType.F32, stream => stream.Write(new byte[bytes]), 1);
        Assert.That(() => SafetensorsWriter.Write(folder["f"], [source]), Throws.InvalidOperationException.With.Message.Contains(words));
        Assert.That(folder.Names, Is.Empty);
    }

    [Test]
    public void Nothing_is_overwritten_unless_asked()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["f"], [FormatFixtures.Zeros("a", SafetensorsDType.F32, 1)]);
        byte[] first = File.ReadAllBytes(folder["f"]);
        Assert.That(() => SafetensorsWriter.Write(folder["f"], []), Throws.TypeOf<OutputExistsException>().With.Message.Contains(folder["f"]).And.Message.Contains("already a file"));
        Assert.That(File.ReadAllBytes(folder["f"]), Is.EqualTo(first));
        SafetensorsWriter.Write(folder["f"], [], overwrite: true);
        Assert.That(File.ReadAllBytes(folder["f"]), Is.Not.EqualTo(first));
        Assert.That(folder.Names, Is.EqualTo(new[] { "f" }));
    }

    [TestCase("/dev/null")]
    [TestCase("/dev/fd/../tera-no-such-device")]
    public void A_device_is_never_replaced_by_a_file(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("Windows has no /dev.");
        }

        Assert.That(() => SafetensorsWriter.Write(path, [], overwrite: true), Throws.TypeOf<IOException>().With.Message.Contains("would replace the device"));
    }

    [Test]
    public void A_file_that_appears_while_another_is_written_is_kept()
    {
        using var folder = new TemporaryFolder();
        SafetensorsSource source = SafetensorsSource.From("x", SafetensorsDType.U8, stream =>
        {
            File.WriteAllText(folder["f"], "mine");
            stream.WriteByte(1);
        }, 1);
        Assert.That(() => SafetensorsWriter.Write(folder["f"], [source]), Throws.TypeOf<IOException>().With.Message.Contains("unchanged"));
        Assert.That(File.ReadAllText(folder["f"]), Is.EqualTo("mine"));
        Assert.That(folder.Names, Is.EqualTo(new[] { "f" }));
    }

    [Test]
    public void A_failure_half_way_keeps_the_old_file_and_removes_the_new()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["f"], "old");
        SafetensorsSource source = SafetensorsSource.From("x", SafetensorsDType.U8, stream =>
        {
            stream.Write(new byte[1 << 20]);
            throw new IOException("No space left on device");
        }, 2 << 20);
        IOException? error = Assert.Throws<IOException>(() => SafetensorsWriter.Write(folder["f"], [source], overwrite: true));
        Assert.Multiple(() =>
        {
            Assert.That(error!.Message, Does.StartWith(folder["f"] + ": ").And.Contains("No space left on device").And.Contains("unchanged"));
            Assert.That(File.ReadAllText(folder["f"]), Is.EqualTo("old"));
            Assert.That(folder.Names, Is.EqualTo(new[] { "f" }));
        });
    }

    [Test]
    public void A_full_disk_is_known_before_the_data_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        long free = new DriveInfo(folder.Root).TotalFreeSpace;
        bool asked = false;
        SafetensorsSource source = SafetensorsSource.From("x", SafetensorsDType.U8, _ =>
        {
            asked = true;
            throw new NotSupportedException("this file system reserves nothing");
        }, 2 * free);
        Exception? error = Assert.Catch(() => SafetensorsWriter.Write(folder["f"], [source]));
        Assert.That(folder.Names, Is.Empty);
        if (asked)
        {
            Assert.Ignore("this file system can't reserve space, so a full disk shows only while writing");
        }

        Assert.That(error, Is.TypeOf<IOException>());
        Assert.That(error!.Message, Does.StartWith(folder["f"] + ": the file can't be written").And.Contains("nothing was left behind"));
    }

    [Test]
    public void A_folder_that_does_not_exist_is_named() =>
        Assert.That(() => SafetensorsWriter.Write("/no/such/folder/f", []), Throws.TypeOf<IOException>().With.Message.Contains("/no/such/folder/f"));

    [Test]
    public void Names_sort_by_code_point()
    {
        string[] names = ["", "a", "a\ud83d\ude00", "a\uffee", "ab", "\u00e9", "\ud83d\ude00", "\ud83d\ude01", "\uffee"];
        string[] expected = [.. names.OrderBy(name => Convert.ToHexString(Encoding.UTF8.GetBytes(name)), StringComparer.Ordinal)];
        Assert.That(names.Reverse().Order(CodePointOrder.Instance), Is.EqualTo(expected));
    }
}
