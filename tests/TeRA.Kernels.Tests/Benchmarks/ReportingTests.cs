using System.Globalization;
using System.Xml.Linq;
using NUnit.Framework;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Tests.Benchmarks;

/// <summary>What the benchmarks make of results: files, the comparison with PyTorch, the plot, the README's table.</summary>
internal sealed class ReportingTests
{
    [TestCase(new string[0], "anything", true)]
    [TestCase(new[] { "LORA" }, "LoRA r16, 4096², B=8192", true)]
    [TestCase(new[] { "4096x14336" }, "Y = X·Wᵀ 8192×4096×14336", true)]
    [TestCase(new[] { "4096^2", "rank 512*4096²" }, "TeRA rank 512, 4096², B=8192", true)]
    [TestCase(new[] { "rank 512, B" }, "TeRA rank 512, 4096², B=8192", false)]
    public void Rows_are_asked_for_by_parts_of_their_names(string[] patterns, string name, bool expected) =>
        Assert.That(RowFilter.Matches(patterns, name), Is.EqualTo(expected));

    [Test]
    public void A_result_is_read_as_it_was_written()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}-layers.json");
        try
        {
            ResultFile<LayerRow> written = Ours(Ours("lora_r16", "LoRA r16", 1.1, 1.2));
            ResultFile.Write(path, written);
            ResultFile<LayerRow> read = ResultFile.Read<LayerRow>(path);
            Assert.Multiple(() =>
            {
                Assert.That(read.Rows, Is.EqualTo(written.Rows));
                Assert.That(read with { Rows = written.Rows }, Is.EqualTo(written));
                Assert.That(File.ReadAllText(path), Does.Contain("\"out_features\": 4096").And.Not.Contain("peft"));
            });
            File.WriteAllText(path, "{ \"command\": ");
            Assert.That(() => ResultFile.Read<LayerRow>(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void The_newest_result_of_a_kind_counts()
    {
        string folder = Directory.CreateTempSubdirectory("tera-results-").FullName;
        try
        {
            foreach (string name in new[] { "2026-11-09-layers.json", "2026-11-22-layers.json", "2026-12-01-products.json", "2026-12-02-layers.txt" })
            {
                File.WriteAllText(Path.Combine(folder, name), "{}");
            }

            Assert.That(Path.GetFileName(ResultFile.Newest(folder, "layers")), Is.EqualTo("2026-11-22-layers.json"));
            Assert.That(ResultFile.Newest(folder, "peers"), Is.Null);
            Assert.That(ResultFile.Newest(Path.Combine(folder, "none"), "layers"), Is.Null);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Ours_stands_beside_the_fastest_of_theirs_with_the_same_dtype()
    {
        ResultFile<LayerRow> ours = Ours(Ours("tera_full", "TeRA full rank", 1.1, 1.7), Ours("tera_full", "TeRA full rank", 1.1, 1.6, "keep"), Ours("lotr_r64", "LoTR r64", 1.05, 1.1));
        ResultFile<PeerRow> theirs = Theirs(
            new PeerRow { Method = "frozen", Forward = 1, Step = 1 },
            new PeerRow { Method = "tera_full", Variant = "merged", Forward = 3, Step = 4 },
            new PeerRow { Method = "tera_full", Variant = "merged", Compiled = true, Forward = 2, Step = 3 },
            new PeerRow { Method = "tera_full", AdapterDtype = "float32", Forward = 1, Step = 1.1 },
            new PeerRow { Method = "hira_r32", Forward = 2.6, Step = 3.2 },
            new PeerRow { Method = "dora_r16", Forward = 2.8, Step = 2.9 },
            new PeerRow { Method = "loha_r32", Error = "no such method" });

        IReadOnlyList<ComparedRow> rows = Comparison.Of(ours, theirs);

        Assert.That(rows.Select(row => row.Title), Is.EqualTo(new[] { "TeRA full rank", "LoTR r64", "TeRA full rank, float32 adapters", "DoRA r16", "HiRA r32" }));
        Assert.Multiple(() =>
        {
            Assert.That((rows[0].Ours!.Step, rows[0].Keeping!.Step, rows[0].Theirs!.Step, rows[0].TheirVariant), Is.EqualTo((1.7, 1.6, 3.0, "merged compiled")));
            Assert.That(rows[1].Theirs, Is.Null);
            Assert.That(rows[3].Ours, Is.Null);
            Assert.That(rows.Select(row => row.WeAreSlower), Is.All.False);
        });
    }

    [Test]
    public void Either_side_may_be_missing()
    {
        Assert.That(Comparison.Of(Ours(Ours("lora_r16", "LoRA r16", 1.1, 1.2)), null).Single().Theirs, Is.Null);
        Assert.That(Comparison.Of(null, Theirs(new PeerRow { Method = "lora_r16", Forward = 1.6, Step = 1.7 })).Single().Ours, Is.Null);
        using var text = new StringWriter();
        Comparison.Print(text, Comparison.Of(null, Theirs(new PeerRow { Method = "lora_r16", Forward = 1.6, Step = 1.7 })));
        Assert.That(text.ToString(), Does.Contain("LoRA r16").And.Contain("1.700").And.Contain("–"));
    }

    [Test]
    public void The_table_says_where_we_are_slower()
    {
        ResultFile<LayerRow> ours = Ours(Ours("lora_r16", "LoRA r16", 1.5, 1.2), Ours("vera_r256", "VeRA r256", 1.1, 1.15));
        ResultFile<PeerRow> theirs = Theirs(new PeerRow { Method = "lora_r16", Forward = 1.4, Step = 1.7 }, new PeerRow { Method = "vera_r256", Forward = 1.6, Step = 1.9 });
        ResultFile<ProductRow> products = Result(
            "products", Product("dW = dYᵀ·X 3072×3072×8192", 0.784), Product("Y  = X·Wᵀ  8192×4096×4096", 0.983), Product("Y  = X·Wᵀ  256×4096×4096", 0.91), Product("dX = dY·W  128×4096×4096", 0.72),
            Product("P  = X·Aᵀ  8192×16×4096", 0.98), Product("W  = W0 + L·R  4096×4096×64", 0.9), Product("Y  = X·Wᵀ + blocks 256×64  8192×4096×4096", 0.96), Product("Z' = P·Mᵀ  8192×1024×512", 0.86));

        string text = ReadmeTable.Render(ours, theirs, new(products, "results/products.txt"), "results/steps.svg");

        Assert.That(text, Does.Contain("| LoRA r16, 4096², B=8192 | 1.50 | 1.20 | 32 | 1.40 | 1.70 |"));
        Assert.That(text, Does.Contain("Than the same method in PyTorch: LoRA r16, 4096², B=8192."));
        Assert.That(text, Does.Contain(
            "by more than 3 %: 128 to 512 tokens (2 of 2, 0.72–0.91 of its speed); large products (1 of 2, 0.78 of its speed); the core's product (1 of 1, 0.86 of its speed); "
            + "builds of W = W0 + L·R (1 of 1, 0.90 of its speed); products with a block term (1 of 1, 0.96 of its speed) ([every shape](results/products.txt))."));
        Assert.That(text, Does.Contain("](results/steps.svg)"));

        static ProductRow Product(string name, double speed) => new(name, "wgmma_product", 1, 1, 1, 1, 1, speed, 1, null);
    }

    [Test]
    public void Every_method_has_its_cost_as_far_as_it_was_measured()
    {
        ResultFile<LayerRow> ours = Ours(
            Ours("lora_r16", "LoRA r16", 1.104, 1.197), Ours("lora_r16", "LoRA r16", 1.1, 1.15, "keep"), Ours("tera_full", "TeRA full rank", 1.3, 1.9), Ours("lora_r16", "LoRA r16", 9, 9) with { Tokens = 2048 });
        string[] lines = MethodTable.Render(ours).Split('\n');
        Assert.That(lines.Single(line => line.Contains("LowRankUpdate", StringComparison.Ordinal)), Does.Contain("| r = 16 1.10, 1.20 |"));
        Assert.That(lines.Single(line => line.Contains("TeraUpdate", StringComparison.Ordinal)), Does.Contain("| full rank 1.30, 1.90 |"));
        Assert.That(lines.Single(line => line.Contains("VeraUpdate", StringComparison.Ordinal)), Does.Contain("| – |"));
        Assert.That(lines.Where(line => line.StartsWith('|')).Select(line => line.Count(character => character == '|')), Is.All.EqualTo(7));
    }

    [Test]
    public void The_measured_part_is_written_between_its_lines()
    {
        string before = $"one\n{ReadmeTable.Begin}\nold\n{ReadmeTable.End}\ntwo\n";
        Assert.That(ReadmeTable.Insert(before, "new\n"), Is.EqualTo(before.Replace("old", "new", StringComparison.Ordinal)));
        Assert.That(() => ReadmeTable.Insert("one\ntwo\n", "new\n"), Throws.TypeOf<InvalidDataException>());
    }

    [Test]
    public void The_plot_has_a_bar_as_long_as_each_ratio()
    {
        IReadOnlyList<ComparedRow> rows = Comparison.Of(
            Ours(Ours("lora_r16", "LoRA r16", 1, 1.25)), Theirs(new PeerRow { Method = "lora_r16", Step = 2.5 }, new PeerRow { Method = "vera_r256", AdapterDtype = "float32", Step = 40 }));

        XElement svg = XElement.Parse(StepPlot.Draw(rows, "a <card> & its driver"));

        XElement[] bars = [.. svg.Descendants().Where(item => item.Name.LocalName == "rect").Take(2)];
        Assert.That(bars.Select(bar => bar.Attribute("class")!.Value), Is.EqualTo(new[] { "ours", "theirs" }));
        Assert.That(Length(bars[1]), Is.EqualTo(2 * Length(bars[0])).Within(0.2));
        Assert.That(svg.Value, Does.Contain("a <card> & its driver").And.Not.Contain("float32"));
        Assert.That(() => StepPlot.Draw([], ""), Throws.TypeOf<InvalidDataException>());

        static double Length(XElement bar) => double.Parse(bar.Attribute("width")!.Value, CultureInfo.InvariantCulture);
    }

    private static LayerRow Ours(string method, string title, double forward, double step, string policy = "rebuild") => new()
    {
        Method = method,
        Title = title,
        Tokens = LayerShape.Main.Tokens,
        OutFeatures = LayerShape.Main.OutFeatures,
        InFeatures = LayerShape.Main.InFeatures,
        Layers = LayerShape.Main.Layers,
        Policy = policy,
        Path = "merged",
        FrozenForwardUs = 350,
        FrozenStepUs = 700,
        ForwardUs = 350 * forward,
        StepUs = 700 * step,
        Forward = forward,
        Step = step,
        StepTflops = 700,
        StepGbytesPerSecond = 500,
        StepFloorUs = 680,
        FloorRatio = 700 * step / 680,
        StatedBytes = 32 << 20,
        MeasuredBytes = 32 << 20,
        BytesAgree = true,
        SharedBytes = 0,
        Trained = 96,
    };

    private static ResultFile<LayerRow> Ours(params LayerRow[] rows) => Result("layers", rows);

    private static ResultFile<PeerRow> Theirs(params PeerRow[] rows) =>
        Result("peers", [.. rows.Select(row => row with { Tokens = LayerShape.Main.Tokens, OutFeatures = LayerShape.Main.OutFeatures, InFeatures = LayerShape.Main.InFeatures })]);

    private static ResultFile<TRow> Result<TRow>(string command, params TRow[] rows) =>
        new() { Command = command, Device = "a card", Driver = "1.2", Cuda = "13.0", Date = "2026-11-22", Rows = rows };
}
