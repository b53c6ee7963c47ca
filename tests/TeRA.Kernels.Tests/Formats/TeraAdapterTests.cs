using System.Text;
using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats;

[TestFixture]
internal sealed class TeraAdapterTests
{
    private static readonly Dictionary<string, LayerSize> Base = new() { ["a.b"] = new(12, 6), ["c"] = new(12, 6), ["other"] = new(3, 3) };

    private static readonly object[] Sources =
    [
        new object[] { 0UL, Distribution.Normal, 1.0 },
        new object[] { 42UL, Distribution.Uniform, -0.25 },
        new object[] { (1UL << 63) + 1, Distribution.Rademacher, 1e-30 },
        new object[] { ulong.MaxValue, Distribution.Ternary(1.0 / 6), 16.0 },
    ];

    [TestCaseSource(nameof(Sources))]
    public void An_adapter_is_read_as_it_was_written(ulong seed, Distribution distribution, double scale)
    {
        using var folder = new TemporaryFolder();
        TeraAdapter written = FormatFixtures.Adapter(seed, distribution, scale);
        written.Save(folder["adapter"]);
        TeraAdapter read = TeraAdapter.Load(folder["adapter"]);
        Assert.Multiple(() =>
        {
            Assert.That(read.Config.Source, Is.EqualTo(new RandomSource(seed, distribution)));
            Assert.That(read.Config.Scale, Is.EqualTo(scale));
            Assert.That(read.Config.TargetModules, Is.EqualTo(new[] { "a.b", "c" }));
            Assert.That(read.Config.BaseModelNameOrPath, Is.Null);
            foreach (string module in Base.Keys.Take(2))
            {
                Assert.That(read.Modules[module].All, Is.EqualTo(written.Modules[module].All));
                TeraUpdate update = read.UpdateFor(module, 12, 6);
                Assert.That(update.RowModes, Is.EqualTo(new[] { 12 }));
                Assert.That(update.ColumnRanks, Is.EqualTo(new[] { 2, 2 }));
                Assert.That((update.Source, update.Scale), Is.EqualTo((new RandomSource(seed, distribution), scale)));
            }
        });
    }

    [Test]
    public void The_files_are_as_the_format_says()
    {
        using var folder = new TemporaryFolder();
        FormatFixtures.Adapter().Save(folder.Root);
        using SafetensorsFile file = SafetensorsFile.Open(folder["adapter_model.safetensors"]);
        Assert.Multiple(() =>
        {
            Assert.That(folder.Names, Is.EqualTo(new[] { "adapter_config.json", "adapter_model.safetensors" }));
            Assert.That(File.ReadAllText(folder["adapter_config.json"]), Is.EqualTo(FormatFixtures.GoodConfig));
            Assert.That(file.Tensors.Values.Select(entry => entry.ToString()), Is.EquivalentTo(FormatFixtures.AdapterTensors().Values.Select(tensor => $"{tensor.Name} F32[{tensor.Shape[0]}]")));
            Assert.That(file.Metadata["format"], Is.EqualTo("pt"));
        });
    }

    [Test]
    public void Loading_and_saving_again_changes_no_byte()
    {
        using var folder = new TemporaryFolder();
        FormatFixtures.Adapter(7, Distribution.Ternary(0.1666)).Save(folder["one"]);
        string config = folder["one/adapter_config.json"];
        File.WriteAllBytes(config, AdapterConfig.Load(config).With("custom", "kept").ToUtf8());
        TeraAdapter.Load(folder["one"]).Save(folder["two"]);
        foreach (string name in new[] { AdapterFolder.ConfigName, AdapterFolder.TensorsName })
        {
            Assert.That(File.ReadAllBytes(folder["two/" + name]), Is.EqualTo(File.ReadAllBytes(folder["one/" + name])), name);
        }

        Assert.That(File.ReadAllText(folder["two/adapter_config.json"]), Does.Contain("\"custom\": \"kept\"").And.Contains("\"ternary_p\": 0.1666"));
    }

    [Test]
    public void Nothing_is_overwritten_unless_asked()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], "mine");
        Assert.That(() => FormatFixtures.Adapter().Save(folder.Root), Throws.TypeOf<OutputExistsException>().With.Message.Contains("adapter_config.json"));
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter_config.json" }));
        Assert.That(File.ReadAllText(folder["adapter_config.json"]), Is.EqualTo("mine"));
        FormatFixtures.Adapter().Save(folder.Root, overwrite: true);
        Assert.That(() => TeraAdapter.Load(folder.Root), Throws.Nothing);
    }

    [Test]
    public void An_adapter_that_fits_the_base_matches_whole()
    {
        LoadReport report = FormatFixtures.Adapter().Match(Base);
        Assert.Multiple(() =>
        {
            Assert.That(report.IsComplete);
            Assert.That(report.Matched, Is.EqualTo(new[] { "a.b", "c" }));
        });
    }

    [Test]
    public void A_lenient_load_leaves_out_what_is_broken_and_reports_it()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = FormatFixtures.AdapterTensors();
        tensors.Remove("base_model.model.a.b.tera_col.1");
        tensors["x"] = FormatFixtures.Zeros("x", SafetensorsDType.I64, 1);
        FormatFixtures.WriteAdapter(folder.Root, FormatFixtures.GoodConfig, tensors.Values);
        TeraAdapter adapter = TeraAdapter.Load(folder.Root, strict: false);
        LoadReport report = adapter.Match(Base, strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(adapter.Modules.Keys, Is.EqualTo(new[] { "c" }));
            Assert.That(report.Matched, Is.EqualTo(new[] { "c" }));
            Assert.That(report.Missing.Select(problem => problem.Name), Is.EqualTo(new[] { "base_model.model.a.b.tera_col.1" }));
            Assert.That(report.Unexpected.Select(problem => problem.Name), Is.EqualTo(new[] { "x" }));
            Assert.That(report.WrongShape, Is.Empty);
            Assert.That(() => TeraAdapter.Load(folder.Root), Throws.TypeOf<FileFormatException>().With.Message.Contains("1 more problem"));
            Assert.That(() => adapter.Match(Base), Throws.TypeOf<FileFormatException>());
            Assert.That(() => adapter.UpdateFor("a.b", 12, 6), Throws.TypeOf<FileFormatException>());
        });
    }

    [Test]
    public void A_base_of_another_size_is_reported()
    {
        LoadReport report = FormatFixtures.Adapter().Match(new Dictionary<string, LayerSize> { ["a.b"] = new(6, 12) }, strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(report.Matched, Is.Empty);
            Assert.That(report.WrongShape.Select(problem => (problem.Rule, problem.Name)), Is.EqualTo(new[] { (FileRule.MissingShape, "a.b") }));
            Assert.That(report.Missing.Select(problem => (problem.Rule, problem.Name)), Is.EqualTo(new[] { (FileRule.MissingModule, "c") }));
        });
    }

    [Test]
    public void The_bases_size_decides_between_shapes_that_both_fit()
    {
        var wide = new TeraUpdate([12], [5], [2, 3], [2, 2], 42);
        var tall = new TeraUpdate([20], [5], [5, 7], [2, 2], 42);
        TeraAdapter adapter = TeraAdapter.Create([("w", wide, FormatFixtures.Vectors(wide, 1)), ("t", tall, FormatFixtures.Vectors(tall, 2))]);
        using var folder = new TemporaryFolder();
        adapter.Save(folder.Root);
        TeraAdapter read = TeraAdapter.Load(folder.Root);
        Assert.Multiple(() =>
        {
            Assert.That(read.UpdateFor("w", 12, 6).ColumnModes, Is.EqualTo(new[] { 2, 3 }));
            Assert.That(read.UpdateFor("w", 20, 35).ColumnModes, Is.EqualTo(new[] { 5, 7 }));
            Assert.That(read.UpdateFor("t", 20, 35).RowModes, Is.EqualTo(new[] { 20 }));
        });
    }

    [Test]
    public void A_module_that_fits_another_shape_than_its_bases_is_named()
    {
        var one = new TeraUpdate([12], [5], [6], [2], 42);
        var two = new TeraUpdate([20], [7], [6], [2], 42);
        TeraAdapter adapter = TeraAdapter.Create([("one", one, FormatFixtures.Vectors(one, 1)), ("two", two, FormatFixtures.Vectors(two, 2))]);
        FileFormatException? error = Assert.Throws<FileFormatException>(() => adapter.UpdateFor("one", 20, 6));
        Assert.Multiple(() =>
        {
            Assert.That(error!.Rule, Is.EqualTo(FileRule.ShapeMismatch));
            Assert.That(error.Message, Does.Contain("\"base_model.model.one.tera_row.0\" of shape [7] for row_ranks [7] of shapes[\"20x6\"], found shape [5]"));
        });
    }

    [Test]
    public void One_file_has_one_source_and_one_set_of_modes_for_each_size()
    {
        var first = new TeraUpdate([12], [5], [6], [2], 42);
        TeraVectors vectors = FormatFixtures.Vectors(first, 1);
        var seed = new TeraUpdate([12], [5], [6], [2], 43);
        var modes = new TeraUpdate([3, 4], [5, 1], [6], [2], 42);
        Assert.Multiple(() =>
        {
            Assert.That(() => TeraAdapter.Create([]), Throws.ArgumentException.With.Message.Contains("at least one module"));
            Assert.That(() => TeraAdapter.Create([("a", first, vectors), ("b", seed, vectors)]), Throws.ArgumentException.With.Message.Contains("\"b\""));
            Assert.That(() => TeraAdapter.Create([("a", first, vectors), ("b", modes, FormatFixtures.Vectors(modes, 1))]), Throws.ArgumentException.With.Message.Contains("differs from another of 12x6"));
            Assert.That(() => TeraAdapter.Create([("a", first, vectors), ("a", first, vectors)]), Throws.ArgumentException.With.Message.Contains("\"a\" twice"));
            Assert.That(() => TeraAdapter.Create([("a", modes, vectors)]), Throws.ArgumentException.With.Message.Contains("lengths of its update"));
            Assert.That(() => TeraVectors.Of(first, [new float[4], new float[2]]), Throws.ArgumentException.With.Message.Contains("Expected vectors of lengths 5, 2, found 4, 2"));
        });
    }

    [TestCase("base_model.model.a.b.tera_row.0", "a.b", "tera_row", 0)]
    [TestCase("base_model.model.tera_row.1.tera_col.12", "tera_row.1", "tera_col", 12)]
    [TestCase("base_model.model..tera_row.0", "", "tera_row", 0)]
    public void Tensor_names_are_taken_apart_from_the_end(string name, string module, string side, int mode)
    {
        Assert.That(TeraTensorName.TryParse(name, out TeraTensorName parsed));
        Assert.That(parsed, Is.EqualTo(new TeraTensorName(module, side, mode)));
    }

    [TestCase("")]
    [TestCase("tera_row.0")]
    [TestCase("base_model.model.tera_row.0")]
    [TestCase("base_model.model.a.tera_row.-1")]
    [TestCase("base_model.model.a.tera_row.01")]
    [TestCase("base_model.model.a.tera_row.9999999999")]
    [TestCase("base_model.model.a.tera_diag.0")]
    [TestCase("model.a.tera_row.0")]
    public void Other_names_are_none(string name) => Assert.That(TeraTensorName.TryParse(name, out _), Is.False);

    [Test]
    public void A_configuration_without_shapes_or_modules_is_legal_when_nothing_needs_them()
    {
        using var folder = new TemporaryFolder();
        AdapterConfig config = FormatFixtures.Config(FormatFixtures.GoodConfig).With("target_modules", []);
        FormatFixtures.WriteAdapter(folder.Root, Encoding.UTF8.GetString(config.ToUtf8()), []);
        Assert.That(TeraAdapter.Load(folder.Root).Modules, Is.Empty);
    }
}
