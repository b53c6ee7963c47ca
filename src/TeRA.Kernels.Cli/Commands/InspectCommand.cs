using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera inspect</c>: what an adapter's folder holds, and what is wrong with it.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string> Folder = new("DIR") { Description = "Adapter folder: adapter_config.json and adapter_model.safetensors." };
    private static readonly Option<string?> Base = new("--base") { Description = "safetensors (a file, an index, or a folder) of the base model, to fit the adapter to." };

    public static Command Create()
    {
        var command = new Command("inspect", "List an adapter's type, modules, shapes and trained numbers, and every problem of it.") { Folder, Base, CommandHost.DrawnAsOption };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        using Adapter adapter = Adapter.Load(result.GetValue(Folder)!, CommandHost.LoadOptions(result) with { Strict = false });
        using Checkpoint? baseModel = result.GetValue(Base) is { } path ? Checkpoint.Open(path) : null;
        using AdapterBinding? binding = baseModel is null ? null : adapter.Bind(baseModel.Modules(), strict: false);
        LoadReport report = binding?.Report ?? adapter.Report;
        Print(context.Terminal, adapter, binding, report);
        if (context.Json)
        {
            JsonOutput.Write(Json(adapter, binding, report));
        }

        return report.IsComplete ? ExitCodes.Success : ExitCodes.BadInput;
    }

    private static void Print(Terminal terminal, Adapter adapter, AdapterBinding? binding, LoadReport report)
    {
        terminal.Table(
            $"{adapter.Path}: {adapter.Type}, {adapter.Modules.Length} modules",
            ["tensor", "dtype", "shape", "trained"],
            [.. adapter.Tensors.Select(tensor => (string[])[tensor.Name, tensor.DType.Label(), Shape(tensor), tensor.IsTrained ? Number(tensor.Count) : "-"])]);
        if (binding is not null)
        {
            terminal.Table(
                "fitted to the base",
                ["module", "size", "rank of ΔW at most", "trained"],
                [.. binding.Modules.Select(module => (string[])[module.Name, $"{module.Update.OutFeatures}x{module.Update.InFeatures}", Number(module.Update.RankBound), Number(module.Update.TrainedCount)])]);
        }

        terminal.Line($"{Number(adapter.TrainedCount)} trained numbers");
        adapter.Notes.ToList().ForEach(note => terminal.Line($"note: {note}"));
        report.Problems.ToList().ForEach(problem => terminal.Error($"{problem.Rule}: {problem.Message}"));
    }

    private static JsonObject Json(Adapter adapter, AdapterBinding? binding, LoadReport report) => new()
    {
        ["path"] = adapter.Path,
        ["type"] = adapter.Type,
        ["config"] = JsonNode.Parse(adapter.Config.ToUtf8()),
        ["modules"] = JsonOutput.Array(adapter.Modules),
        ["trained_numbers"] = adapter.TrainedCount,
        ["tensors"] = new JsonArray([.. adapter.Tensors.Select(tensor => new JsonObject
        {
            ["name"] = tensor.Name,
            ["module"] = tensor.Module,
            ["dtype"] = tensor.DType.Label(),
            ["shape"] = JsonOutput.Array(tensor.Shape),
            ["trained"] = tensor.IsTrained,
        })]),
        ["fitted"] = binding is null ? null : new JsonArray([.. binding.Modules.Select(module => new JsonObject
        {
            ["module"] = module.Name,
            ["method"] = module.Update.Method,
            ["out_features"] = module.Update.OutFeatures,
            ["in_features"] = module.Update.InFeatures,
            ["rank_bound"] = module.Update.RankBound,
            ["trained_numbers"] = module.Update.TrainedCount,
        })]),
        ["notes"] = JsonOutput.Array(adapter.Notes),
        ["matched"] = JsonOutput.Array(report.Matched),
        ["problems"] = new JsonArray([.. report.Problems.Select(problem => new JsonObject
        {
            ["rule"] = problem.Rule,
            ["name"] = problem.Name,
            ["message"] = problem.Message,
        })]),
    };

    private static string Shape(AdapterTensor tensor) => $"[{string.Join(", ", tensor.Shape)}]";

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
