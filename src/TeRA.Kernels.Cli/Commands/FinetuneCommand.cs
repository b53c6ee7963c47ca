using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Finetuning;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera finetune</c>: the main job, on data that comes with the program.</summary>
internal static class FinetuneCommand
{
    private const double AdmittedRatio = Verification.LayerComparer.BlasFactor;

    private static readonly Option<string> Device = CommandHost.DeviceOption();
    private static readonly Option<int> Hidden = Number("--hidden", 256, 1, "Width of the two hidden layers.");
    private static readonly Option<int> Seed = Number("--seed", 1, 0, "Of the split, the start, the batches and the frozen-random factors.");
    private static readonly Option<int> Epochs = Number("--epochs", 120, 1, "Of adaptation, for every method.");
    private static readonly Option<int> PretrainEpochs = Number("--pretrain-epochs", 20, 1, "Of the base network.");
    private static readonly Option<int> Batch = Number("--batch", 64, 1, "Images a step.");
    private static readonly Option<float> Rate = new("--learning-rate") { Description = "Of TeRA's vectors; AdamW, falling along a cosine.", DefaultValueFactory = _ => 0.02f };
    private static readonly Option<double> Scale = new("--scale") { Description = "TeRA's scale: α = scale/√(R·S·K).", DefaultValueFactory = _ => 1 };
    private static readonly Option<string> Distribution = new("--distribution") { Description = "normal, uniform, rademacher, ternary or ternary:P.", DefaultValueFactory = _ => "normal" };
    private static readonly Option<string[]> Modes = new("--modes") { Description = "SIZE=AxB…: modes of layer sides of that length, for example 256=16x16; proposed otherwise.", DefaultValueFactory = _ => [] };
    private static readonly Option<string[]> Ranks = new("--ranks") { Description = "SIZE=RxS…: ranks of layer sides of that length; the modes otherwise (full rank).", DefaultValueFactory = _ => [] };
    private static readonly Option<string[]> Methods = new("--method")
    {
        Description = $"Other ways to compare with, any of {string.Join(", ", ComparedMethod.Names)}.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["lotr", "lora", "full"],
    };
    private static readonly Option<string?> Out = new("--out") { Description = "Folder for the frozen base and the adapters, TeRA's in it, the others' in folders of their names; a temporary one otherwise." };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace adapters that are already there." };

    public static Command Create()
    {
        var command = new Command("finetune", "Pretrain a small network, shift its task, adapt it with TeRA and compare with other ways.")
        {
            Device, Hidden, Seed, Epochs, PretrainEpochs, Batch, Rate, Scale, Distribution, Modes, Ranks, Methods, Out, Force,
        };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        FinetuneOptions options = Read(result);
        options.CheckSides();
        CheckOut(options);
        using Device device = DeviceChoice.Open(result.GetValue(Device)!, out string reason);
        FinetuneReport report = context.Terminal.Progress(progress => new FinetuneRun(options, device, reason, progress, context.Cancellation).Execute());
        Print(report, context.Terminal);
        if (context.Json)
        {
            JsonOutput.Write(Json(report));
        }

        return report.DeviationRatio < AdmittedRatio && report.Rows.All(row => row.IsReadBack) ? ExitCodes.Success : ExitCodes.VerificationFailed;
    }

    private static FinetuneOptions Read(ParseResult result)
    {
        float rate = result.GetValue(Rate);
        double scale = result.GetValue(Scale);
        if (!(rate > 0 && float.IsFinite(rate)) || !double.IsFinite(scale))
        {
            throw new UsageException("--learning-rate must be positive and finite, --scale finite.");
        }

        return new FinetuneOptions
        {
            Hidden = result.GetValue(Hidden),
            Seed = result.GetValue(Seed),
            Epochs = result.GetValue(Epochs),
            PretrainEpochs = result.GetValue(PretrainEpochs),
            Batch = result.GetValue(Batch),
            LearningRate = rate,
            Scale = scale,
            Distribution = OptionText.Distribution(result.GetValue(Distribution)!),
            Modes = OptionText.SizedLengths(result.GetValue(Modes)!, "--modes"),
            Ranks = OptionText.SizedLengths(result.GetValue(Ranks)!, "--ranks"),
            Methods = [.. result.GetValue(Methods)!.Select(ComparedMethod.Parse).Distinct()],
            Out = result.GetValue(Out),
            Force = result.GetValue(Force),
        };
    }

    /// <summary>Half a minute of training should not end in "the folder exists".</summary>
    private static void CheckOut(FinetuneOptions options)
    {
        if (options is { Out: { } folder, Force: false } && Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            throw new UsageException($"--out: {folder} is not empty; pass --force to replace the adapters in it.");
        }
    }

    private static void Print(FinetuneReport report, Terminal terminal)
    {
        terminal.Table(
            $"Held-out accuracy after adapting to turned, inverted digits; {report.Device}",
            ["method", "trained", "rank of ΔW", "bytes", "loss", "new task", "old task", "seconds"],
            [.. report.Rows.Select(Cells)]);
        terminal.Line(Text($"device: {report.Device}; {report.Reason}"));
        terminal.Line(Text($"base: {report.BaseFile}"));
        foreach (FinetuneRow row in report.Rows.Where(row => row.Adapter is not null))
        {
            terminal.Line(Text($"{row.Method}: {row.Adapter}, read back: {row.ReloadedAccuracy:P1} on the new task{(row.IsReadBack ? "" : ", NOT what was saved")}"));
        }

        terminal.Line(Text($"largest deviation of the trained layers from the dense float64 reference: {report.LargestDeviation:0.0E-0} relative, {report.DeviationRatio:F2} roundoffs of the terms (bound {AdmittedRatio:F0})"));
        terminal.Line(Text($"total {report.TotalSeconds:F1} s"));
    }

    private static IReadOnlyList<string> Cells(FinetuneRow row) =>
    [
        row.Method,
        row.TrainedNumbers == 0 ? "–" : Text($"{row.TrainedNumbers:N0}"),
        row.Ranks.Count == 0 ? "–" : string.Join('/', row.Ranks),
        row.SavedBytes == 0 ? "–" : Text($"{row.SavedBytes:N0}"),
        double.IsNaN(row.Loss) ? "–" : Text($"{row.Loss:F3}"),
        Text($"{row.NewTask:P1}"),
        Text($"{row.OldTask:P1}"),
        row.Seconds == 0 ? "–" : Text($"{row.Seconds:F1}"),
    ];

    private static JsonObject Json(FinetuneReport report) => new()
    {
        ["device"] = report.Device,
        ["device_reason"] = report.Reason,
        ["methods"] = new JsonArray([.. report.Rows.Select(row => new JsonObject
        {
            ["method"] = row.Method,
            ["trained_numbers"] = row.TrainedNumbers,
            ["rank_bounds"] = JsonOutput.Array(row.Ranks),
            ["saved_bytes"] = row.SavedBytes,
            ["loss"] = JsonOutput.Number(row.Loss),
            ["accuracy_new_task"] = row.NewTask,
            ["accuracy_old_task"] = row.OldTask,
            ["seconds"] = row.Seconds,
            ["adapter"] = row.Adapter,
            ["accuracy_reloaded"] = row.ReloadedAccuracy,
        })]),
        ["base"] = report.BaseFile,
        ["largest_relative_deviation"] = JsonOutput.Number(report.LargestDeviation),
        ["deviation_ratio"] = JsonOutput.Number(report.DeviationRatio),
        ["deviation_bound"] = AdmittedRatio,
        ["seconds"] = report.TotalSeconds,
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, int value, int minimum, string description) =>
        new Option<int>(name) { Description = description, DefaultValueFactory = _ => value }.AtLeast(minimum);
}
