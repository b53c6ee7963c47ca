using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>compare</c>, <c>plot</c> and <c>readme</c>: what is made of result files. They need no device.</summary>
internal static class ReportCommands
{
    private const string PlotName = "steps.svg";

    private static readonly Option<string> Results = new("--results")
    {
        Description = "Folder of one card's results; the newest of each kind is read.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("bench", "results", "h100"),
    };

    private static readonly Option<string?> Ours = new("--ours") { Description = "Our results, instead of the folder's newest *-layers.json.", HelpName = "FILE" };

    private static readonly Option<string?> Theirs = new("--theirs") { Description = "The peers' results, instead of the folder's newest *-peers.json.", HelpName = "FILE" };

    /// <summary>Ours and theirs side by side.</summary>
    public static Command CreateCompare()
    {
        var predicted = new Option<bool>("--predicted") { Description = "Instead of PyTorch's, what the planner predicts for an H100: of layers, and of the folder's newest *-steps.json and *-regret.json." };
        var file = new Option<string?>("--into") { Description = "With --predicted, a text whose table of predicted layers, and regret, is written anew.", HelpName = "FILE" };
        var command = new Command("compare", "Our layers and PyTorch's side by side, from the result files of both or either.") { Results, Ours, Theirs, predicted, file };
        command.SetAction(result =>
        {
            if (result.GetValue(predicted))
            {
                Predict(result, result.GetValue(file));
                return;
            }

            (ResultFile<LayerRow>? ours, ResultFile<PeerRow>? theirs) = Read(result);
            Comparison.Print(Console.Out, Comparison.Of(ours, theirs));
            Console.WriteLine($"ours:   {ours?.Circumstances ?? "not measured"}\ntheirs: {theirs?.Circumstances ?? "not measured"}");
        });
        return command;
    }

    /// <summary>The plot.</summary>
    public static Command CreatePlot()
    {
        var file = new Option<string?>("--out") { Description = $"Where to write it; by default {PlotName} in the folder of the results.", HelpName = "FILE" };
        var command = new Command("plot", "The price of a step by method, ours against theirs, as an SVG.") { Results, Ours, Theirs, file };
        command.SetAction(result =>
        {
            (ResultFile<LayerRow>? ours, ResultFile<PeerRow>? theirs) = Read(result);
            string subtitle = ours?.Circumstances ?? theirs!.Circumstances;
            File.WriteAllText(result.GetValue(file) ?? Path.Combine(result.GetValue(Results)!, PlotName), StepPlot.Draw(Comparison.Of(ours, theirs), subtitle));
        });
        return command;
    }

    /// <summary>The README's table.</summary>
    public static Command CreateReadme()
    {
        var file = new Option<string>("--file") { Description = "The text whose measured part is written anew.", HelpName = "FILE", DefaultValueFactory = _ => "README.md" };
        var command = new Command("readme", "Writes the README's tables of what was measured and of the methods, from the result files.") { Results, Ours, Theirs, file };
        command.SetAction(result =>
        {
            string path = result.GetValue(file)!;
            (ResultFile<LayerRow> ours, ResultFile<PeerRow>? theirs) = ReadMeasured(result);
            string folder = result.GetValue(Results)!;
            Linked<ProductRow>? products = ResultFile.Newest(folder, "products") is { } found
                ? new(ResultFile.Read<ProductRow>(found), Link(Path.ChangeExtension(found, ".txt"))) : null;
            string text = ReadmeTable.Insert(File.ReadAllText(path), ReadmeTable.Render(ours, theirs, products, Link(Path.Combine(folder, PlotName))));
            File.WriteAllText(path, ReadmeTable.Insert(text, MethodTable.Render(ours), MethodTable.Begin, MethodTable.End));

            string? Link(string target) => File.Exists(target) ? Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(path))!, target).Replace('\\', '/') : null;
        });
        return command;
    }

    private static void Predict(ParseResult result, string? into)
    {
        string folder = result.GetValue(Results)!;
        ResultFile<LayerRow> ours = ReadMeasured(result).Ours;
        ResultFile<RegretRow>? regret = ResultFile.Newest(folder, "regret") is { } measured ? ResultFile.Read<RegretRow>(measured) : null;
        string table = Predictions.Render([.. Predictions.Layers(ours.Rows)], ours.Circumstances, regret);
        if (into is not null)
        {
            File.WriteAllText(into, ReadmeTable.Insert(File.ReadAllText(into), table, Predictions.Begin, Predictions.End));
            return;
        }

        Console.Write(table);
        if (ResultFile.Newest(folder, "steps") is { } steps)
        {
            Predictions.Print(Console.Out, Predictions.Steps(ResultFile.Read<StepRow>(steps).Rows));
        }

        if (regret is not null)
        {
            Predictions.Print(Console.Out, [.. Predictions.Regrets(regret.Rows)]);
        }
    }

    private static (ResultFile<LayerRow> Ours, ResultFile<PeerRow>? Theirs) ReadMeasured(ParseResult result)
    {
        (ResultFile<LayerRow>? ours, ResultFile<PeerRow>? theirs) = Read(result);
        return (ours ?? throw new FileNotFoundException($"There is no *-layers.json in {result.GetValue(Results)}. Run 'layers --json' first."), theirs);
    }

    private static (ResultFile<LayerRow>? Ours, ResultFile<PeerRow>? Theirs) Read(ParseResult result)
    {
        string folder = result.GetValue(Results)!;
        string? ours = result.GetValue(Ours) ?? ResultFile.Newest(folder, "layers"), theirs = result.GetValue(Theirs) ?? ResultFile.Newest(folder, "peers");
        return ours is null && theirs is null
            ? throw new FileNotFoundException($"There is neither a *-layers.json nor a *-peers.json in {folder}. Measure first, or name files by --ours and --theirs.")
            : (ours is null ? null : ResultFile.Read<LayerRow>(ours), theirs is null ? null : ResultFile.Read<PeerRow>(theirs));
    }
}
