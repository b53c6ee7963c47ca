using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera merge</c>: an adapter into a whole checkpoint, and out of it again.</summary>
internal static class MergeCommand
{
    private static readonly Option<string> Base = new("--base") { Description = "Checkpoint: a safetensors file, an index, or a folder with model.safetensors or model.safetensors.index.json.", Required = true };
    private static readonly Option<string?> AdapterFolder = new("--adapter") { Description = "Adapter folder to merge into it." };
    private static readonly Option<string> Out = new("--out") { Description = "The new file; the new folder, if the base has an index.", Required = true };
    private static readonly Option<string?> Backup = new("--backup") { Description = "Keep the changed tensors' own bits in this file, for --unmerge." };
    private static readonly Option<string?> Unmerge = new("--unmerge") { Description = "Instead of merging, put back the tensors of this backup, bit for bit." };
    private static readonly Option<bool> Unchecked = new("--unchecked") { Description = "With --unmerge: take a backup of an early version, which has no hashes to check its bytes by." };
    private static readonly Option<string> Device = CommandHost.DeviceOption();
    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that are already there." };

    public static Command Create()
    {
        var command = new Command("merge", "Write a checkpoint with an adapter merged into its weights, or with the last merge taken back.")
        {
            Base, AdapterFolder, Out, Backup, Unmerge, Unchecked, Device, Force, CommandHost.DrawnAsOption,
        };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        string? adapter = result.GetValue(AdapterFolder), backup = result.GetValue(Unmerge);
        if (adapter is null == backup is null)
        {
            throw new UsageException("--adapter merges an adapter, --unmerge BACKUP takes one out: pass one of them.");
        }

        if (backup is not null && result.GetValue(Backup) is not null)
        {
            throw new UsageException("--backup keeps what a merge changes; --unmerge only puts such a backup back.");
        }

        if (backup is null && result.GetValue(Unchecked))
        {
            throw new UsageException("--unchecked is about the backup that --unmerge puts back; a merge has none to check.");
        }

        return backup is null ? RunMerge(result, adapter!, context) : RunUnmerge(result, backup, context);
    }

    private static int RunMerge(ParseResult result, string adapter, CommandContext context)
    {
        using Device device = DeviceChoice.Open(result.GetValue(Device)!, out string reason);
        MergeReport report = Merge(result, adapter, device, context);
        Print(context.Terminal, result.GetValue(Out)!, device, reason, report);
        if (context.Json)
        {
            JsonOutput.Write(Json(result.GetValue(Out)!, device, report));
        }

        return ExitCodes.Success;
    }

    private static MergeReport Merge(ParseResult result, string adapter, Device device, CommandContext context)
    {
        try
        {
            return Write(result, context, options => CheckpointMerge.Merge(result.GetValue(Base)!, adapter, result.GetValue(Out)!, options with
            {
                Device = device,
                Backup = result.GetValue(Backup),
                Load = CommandHost.LoadOptions(result),
            }));
        }
        catch (ArgumentException reason) when (reason.ParamName == "backup")
        {
            throw new UsageException($"{Backup.Name}: {reason.Message}");
        }
    }

    private static int RunUnmerge(ParseResult result, string backup, CommandContext context)
    {
        ImmutableArray<string> tensors = Write(result, context, options => CheckpointMerge.Unmerge(
            result.GetValue(Base)!, backup, result.GetValue(Out)!, options with { AllowUncheckedBackup = result.GetValue(Unchecked) }));
        context.Terminal.Line($"{result.GetValue(Out)}: {tensors.Length} tensors put back bit for bit");
        if (context.Json)
        {
            JsonOutput.Write(new JsonObject { ["output"] = result.GetValue(Out), ["restored"] = JsonOutput.Array(tensors) });
        }

        return ExitCodes.Success;
    }

    private static T Write<T>(ParseResult result, CommandContext context, Func<MergeOptions, T> work) => context.Terminal.Progress(progress =>
    {
        T done = work(Options(result, context, progress));
        progress.End();
        return done;
    });

    private static MergeOptions Options(ParseResult result, CommandContext context, IProgressReport progress)
    {
        bool begun = false;
        return new MergeOptions
        {
            Overwrite = result.GetValue(Force),
            Cancellation = context.Cancellation,
            Progress = at =>
            {
                if (!begun)
                {
                    progress.Begin("writing", at.BytesTotal);
                    begun = true;
                }

                progress.Advance(at.BytesDone, at.Tensor);
            },
        };
    }

    private static void Print(Terminal terminal, string output, Device device, string reason, MergeReport report)
    {
        terminal.Table(
            $"{output}, merged on {device.Id} ({device.Name})",
            ["module", "size", "dtype", "largest |αΔW|", "changed", "largest rounding", "rounding/ΔW"],
            [.. report.Layers.Select(layer => (string[])
            [
                layer.Module, layer.Size.ToString(), layer.DType.Label(), Short(layer.LargestDelta),
                Percent((double)layer.Changed / layer.Count), Short(layer.LargestRounding), Short(layer.RelativeRounding),
            ])]);
        terminal.Line($"device: {reason}");
        terminal.Line($"{report.Layers.Length} weights and {report.Biases.Length} biases; largest |αΔW| {Short(report.LargestDelta)}, {Percent(report.ChangedShare)} of their numbers changed, largest rounding {Short(report.LargestRounding)}");
        foreach (MergedLayer lost in report.Layers.Where(layer => layer.RelativeRounding >= 1))
        {
            terminal.Line($"warning: {lost.DType.Label()} rounds most of the update of {lost.Module} away; merge into a checkpoint of a wider dtype");
        }
    }

    private static JsonObject Json(string output, Device device, MergeReport report) => new()
    {
        ["output"] = output,
        ["device"] = device.Id,
        ["digest"] = report.Digest,
        ["largest_delta"] = JsonOutput.Number(report.LargestDelta),
        ["changed_share"] = JsonOutput.Number(report.ChangedShare),
        ["largest_rounding"] = JsonOutput.Number(report.LargestRounding),
        ["layers"] = new JsonArray([.. report.Layers.Select(layer => new JsonObject
        {
            ["module"] = layer.Module,
            ["size"] = layer.Size.ToString(),
            ["dtype"] = layer.DType.Label(),
            ["changed"] = layer.Changed,
            ["largest_delta"] = JsonOutput.Number(layer.LargestDelta),
            ["largest_rounding"] = JsonOutput.Number(layer.LargestRounding),
            ["relative_rounding"] = JsonOutput.Number(layer.RelativeRounding),
        })]),
        ["biases"] = JsonOutput.Array(report.Biases),
    };

    private static string Short(double number) => number.ToString("G3", CultureInfo.InvariantCulture);

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F1}%");
}
