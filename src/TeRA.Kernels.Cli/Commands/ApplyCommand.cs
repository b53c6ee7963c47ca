using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Applying;
using TeRA.Kernels.Cli.Output;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera apply</c>: an adapter on activations, from files to a file.</summary>
internal static class ApplyCommand
{
    private static readonly Option<string> Base = new("--base") { Description = "safetensors (a file, an index, or a folder) with <module>.weight [N,K] and perhaps <module>.bias [N].", Required = true };
    private static readonly Option<string> AdapterFolder = new("--adapter") { Description = "Adapter folder: adapter_config.json and adapter_model.safetensors.", Required = true };
    private static readonly Option<string> Input = new("--input") { Description = "safetensors with <module>.x [B,K], and with --grad <module>.dy [B,N].", Required = true };
    private static readonly Option<string> Output = new("--output") { Description = "safetensors to write.", Required = true };
    private static readonly Option<bool> Grad = new("--grad") { Description = "Also <module>.dx, and grad:<tensor> for every trained tensor." };
    private static readonly Option<string> Device = CommandHost.DeviceOption();
    private static readonly Option<string> Path = new("--path") { Description = "auto, merged or factored.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace an output that is already there." };

    public static Command Create()
    {
        var command = new Command("apply", "Run an adapter's modules on given inputs: y, and with --grad dx and the gradients of the trained tensors.")
        {
            Base, AdapterFolder, Input, Output, Grad, Device, Path, Force, CommandHost.DrawnAsOption,
        };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        var options = new ApplyOptions(
            result.GetValue(Base)!, result.GetValue(AdapterFolder)!, result.GetValue(Input)!, result.GetValue(Output)!,
            result.GetValue(Grad), OptionText.Path(result.GetValue(Path)!), result.GetValue(Force));
        if (File.Exists(options.Output) && !options.Force)
        {
            throw new UsageException($"--output: {options.Output} exists; pass --force to replace it.");
        }

        PendingFile.Check(options.Output, options.Force);
        var clock = Stopwatch.StartNew();
        using Adapter adapter = Adapter.Load(options.Adapter, CommandHost.LoadOptions(result));
        using Checkpoint baseModel = Checkpoint.Open(options.Base);
        using SafetensorsFile input = SafetensorsFile.Open(options.Input);
        using AdapterBinding binding = Bind(adapter, baseModel);
        using Device device = DeviceChoice.Open(result.GetValue(Device)!, out string reason);
        List<ModuleResult> results = context.Terminal.Progress(progress => Apply(new ModuleApplication(device, baseModel, input, binding, options), binding, progress, context.Cancellation));
        try
        {
            SafetensorsWriter.Write(
                options.Output,
                Latest(results).Select(tensor => SafetensorsSource.From(tensor.Key, tensor.Value)),
                new Dictionary<string, string> { ["format"] = "pt" },
                options.Force);
            Print(context, options, device, reason, results, clock.Elapsed);
            adapter.Notes.ToList().ForEach(note => context.Terminal.Line($"note: {note}"));
        }
        finally
        {
            results.ForEach(module => module.Tensors.ToList().ForEach(tensor => tensor.Tensor.Dispose()));
        }

        return ExitCodes.Success;
    }

    /// <summary>Each tensor once: the gradient of what modules share is whole after the last of them.</summary>
    private static Dictionary<string, Tensor> Latest(List<ModuleResult> results)
    {
        var latest = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach ((string name, Tensor tensor) in results.SelectMany(module => module.Tensors))
        {
            latest[name] = tensor;
        }

        return latest;
    }

    private static AdapterBinding Bind(Adapter adapter, Checkpoint baseModel)
    {
        // A missing weight is the base file's matter, and it can say what it has instead.
        foreach (string module in adapter.Modules)
        {
            _ = baseModel.Entry(module + ".weight");
        }

        return adapter.Bind(baseModel.Modules());
    }

    private static List<ModuleResult> Apply(ModuleApplication application, AdapterBinding binding, IProgressReport progress, CancellationToken cancellation)
    {
        var results = new List<ModuleResult>();
        progress.Begin("modules", binding.Modules.Length);
        foreach (AdapterModule module in binding.Modules)
        {
            cancellation.ThrowIfCancellationRequested();
            results.Add(application.Run(module.Name));
            progress.Advance(results.Count, module.Name);
        }

        progress.End();
        return results;
    }

    private static void Print(CommandContext context, ApplyOptions options, Device device, string reason, List<ModuleResult> results, TimeSpan elapsed)
    {
        context.Terminal.Table($"{options.Output}, computed on {device.Id} ({device.Name})", ["module", "what ran"], [.. results.Select(result => (string[])[result.Module, result.Summary])]);
        context.Terminal.Line($"device: {reason}");
        context.Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{results.Count} modules, {elapsed.TotalSeconds:F2} s"));
        if (!context.Json)
        {
            return;
        }

        JsonOutput.Write(new JsonObject
        {
            ["output"] = options.Output,
            ["device"] = device.Id,
            ["device_reason"] = reason,
            ["modules"] = new JsonArray([.. results.Select(result => new JsonObject
            {
                ["module"] = result.Module,
                ["summary"] = result.Summary,
                ["tensors"] = JsonOutput.Array(result.Tensors.Select(tensor => tensor.Name)),
            })]),
            ["seconds"] = elapsed.TotalSeconds,
        });
    }
}
