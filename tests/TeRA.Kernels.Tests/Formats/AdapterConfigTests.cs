using System.Text;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Formats;

[TestFixture]
internal sealed class AdapterConfigTests
{
    [TestCase("lora-square")]
    [TestCase("vera-mixed-noproj")]
    public void A_configuration_of_PEFT_is_written_again_byte_for_byte(string name)
    {
        string path = FormatFixtures.Data($"{name}/adapter_config.json");
        Assert.That(Encoding.UTF8.GetString(AdapterConfig.Load(path).ToUtf8()), Is.EqualTo(File.ReadAllText(path)));
    }

    [Test]
    public void Other_methods_are_read_as_documents_and_refused_as_TeRA()
    {
        AdapterConfig config = AdapterConfig.Load(FormatFixtures.Data("vera-mixed-noproj/adapter_config.json"));
        Assert.That(config.PeftType, Is.EqualTo("VERA"));
        Assert.That(() => TeraConfig.From(config), Throws.TypeOf<FileFormatException>().With.Message.Contains("expected peft_type \"TERA\", found \"VERA\""));
    }

    [Test]
    public void Keys_are_sorted_strings_escaped_and_numbers_kept_as_Python_writes_them()
    {
        AdapterConfig config = FormatFixtures.Config("{\"z\":{\"b\":[],\"a\":{}},\"n\":[1E5,0.10,-0],\"e\":\"\u20ac\ud83d\ude00\\/<\u007f\"}").With("d", 2.0).With("s", 1e-30).With("t", (string?)null);
        Assert.That(Encoding.UTF8.GetString(config.ToUtf8()), Is.EqualTo("""
            {
              "d": 2.0,
              "e": "\u20ac\ud83d\ude00/<\u007f",
              "n": [
                1E5,
                0.10,
                -0
              ],
              "s": 1e-30,
              "t": null,
              "z": {
                "a": {},
                "b": []
              }
            }
            """));
    }

    [Test]
    public void A_document_does_not_change()
    {
        AdapterConfig config = FormatFixtures.Config("{\"a\": 1}");
        Assert.Multiple(() =>
        {
            Assert.That(config.With("b", "x").Without("a").Keys, Is.EqualTo(new[] { "b" }));
            Assert.That(config.Keys, Is.EqualTo(new[] { "a" }));
            Assert.That(() => config.With("x", double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => config.WithJson("x", "{"), Throws.TypeOf<FileFormatException>());
            Assert.That(() => config.WithJson("x", "1, \"a\": 2"), Throws.TypeOf<FileFormatException>());
        });
    }

    [Test]
    public void A_TeRA_configuration_is_written_again_byte_for_byte() =>
        Assert.That(Encoding.UTF8.GetString(TeraConfig.From(FormatFixtures.Config(FormatFixtures.GoodConfig)).ToDocument().ToUtf8()), Is.EqualTo(FormatFixtures.GoodConfig));

    [Test]
    public void Unknown_keys_are_kept_at_the_top_and_in_shapes()
    {
        AdapterConfig document = FormatFixtures.Config(FormatFixtures.GoodConfig.Replace("\"col_modes\"", "\"note\": {\"k\": 1.50}, \"col_modes\"", StringComparison.Ordinal))
            .With("task_type", "CAUSAL_LM").WithJson("revision", "null");
        string written = Encoding.UTF8.GetString(TeraConfig.From(document).ToDocument().ToUtf8());
        Assert.Multiple(() =>
        {
            Assert.That(written, Is.EqualTo(Encoding.UTF8.GetString(document.ToUtf8())));
            Assert.That(written, Does.Contain("\"k\": 1.50").And.Contains("\"task_type\": \"CAUSAL_LM\"").And.Contains("\"revision\": null"));
        });
    }

    [TestCase("4096x4096", true)]
    [TestCase("1x9223372036854775807", true)]
    [TestCase("04x4", false)]
    [TestCase("4x", false)]
    [TestCase("x4", false)]
    [TestCase("4X4", false)]
    [TestCase("4x4x4", false)]
    [TestCase("-4x4", false)]
    [TestCase("0x4", false)]
    [TestCase(" 4x4", false)]
    [TestCase("4x9223372036854775808", false)]
    public void Sizes_have_one_spelling(string text, bool legal)
    {
        Assert.That(LayerSize.TryParse(text, out LayerSize size), Is.EqualTo(legal));
        if (legal)
        {
            Assert.That(size.ToString(), Is.EqualTo(text));
        }
    }
}
