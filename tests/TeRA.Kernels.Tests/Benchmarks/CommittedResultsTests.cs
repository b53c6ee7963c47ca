using NUnit.Framework;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Benchmarks;

/// <summary>The results in the repository can be read, say under what they were made, and are what the README shows.</summary>
internal sealed class CommittedResultsTests
{
    private const string Card = "bench/results/h100";

    [Test]
    public void Every_result_says_under_what_it_was_made()
    {
        string[] files = Directory.GetFiles(Path.Combine(Repository.Root(), Card), "*.json");
        Assert.That(files, Is.Not.Empty);
        foreach (string file in files)
        {
            ResultFile<object> result = ResultFile.Read<object>(file);
            Assert.Multiple(() =>
            {
                Assert.That(result.Driver, Is.Not.Null, file);
                Assert.That(result.Cuda, Is.Not.Null, file);
                Assert.That(result.Rows, Is.Not.Empty, file);
                Assert.That(Path.GetFileName(file), Is.EqualTo($"{result.Date}-{result.Command}.json"));
            });
        }
    }

    [Test]
    public void The_peers_were_measured_on_the_shapes_of_ours()
    {
        ResultFile<PeerRow> theirs = ResultFile.Read<PeerRow>(ResultFile.Newest(Path.Combine(Repository.Root(), Card), "peers")!);
        LayerShape main = LayerShape.Main;
        LayerShape[] shapes = [main, main with { Tokens = 2048, Layers = 8 }, main with { OutFeatures = 14336 }, main with { InFeatures = 14336 }];
        Assert.That(theirs.Rows.Where(row => row.Error is null).Select(row => row.Shape).Distinct(), Is.EquivalentTo(shapes));
        Assert.That(theirs.Rows.Where(row => row.Method == "frozen").Select(row => (row.Forward, row.Step)), Is.All.EqualTo((1.0, 1.0)));
    }

    [Test]
    public void The_planner_chooses_well_on_the_measured_grid()
    {
        if (ResultFile.Newest(Path.Combine(Repository.Root(), Card), "regret") is not { } file)
        {
            Assert.Ignore("the regret's grid was not measured with this program yet");
            return;
        }

        RegretRow[] rows = [.. Predictions.Regrets(ResultFile.Read<RegretRow>(file).Rows)];
        var regret = RegretSummary.Of(rows);
        Assert.Multiple(() =>
        {
            Assert.That(rows, Has.Length.EqualTo(RegretGrid.All.Length));
            Assert.That(regret.Worst.Regret, Is.LessThan(0.1), regret.ToString());
            Assert.That(regret.Mean, Is.LessThan(0.01), regret.ToString());
        });
    }

    [Test]
    public void The_readme_shows_the_newest_results()
    {
        string folder = Path.Combine(Repository.Root(), Card), readme = File.ReadAllText(Path.Combine(Repository.Root(), "README.md"));
        if (ResultFile.Newest(folder, "layers") is not { } ours)
        {
            Assert.Ignore("no layers were measured with this program yet");
            return;
        }

        string plot = File.Exists(Path.Combine(folder, "steps.svg")) ? $"{Card}/steps.svg" : "";
        ResultFile<LayerRow> layers = ResultFile.Read<LayerRow>(ours);
        string rendered = ReadmeTable.Render(layers, Newest<PeerRow>("peers")?.Value, Newest<ProductRow>("products"), plot.Length > 0 ? plot : null);
        Assert.That(ReadmeTable.Insert(readme, rendered), Is.EqualTo(readme), "run `bench readme`");
        Assert.That(ReadmeTable.Insert(readme, MethodTable.Render(layers), MethodTable.Begin, MethodTable.End), Is.EqualTo(readme), "run `bench readme`");

        Linked<TRow>? Newest<TRow>(string command) => ResultFile.Newest(folder, command) is not { } path ? null
            : new(ResultFile.Read<TRow>(path), File.Exists(Path.ChangeExtension(path, ".txt")) ? $"{Card}/{Path.GetFileName(Path.ChangeExtension(path, ".txt"))}" : null);
    }
}
