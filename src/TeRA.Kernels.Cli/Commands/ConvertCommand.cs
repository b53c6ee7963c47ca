using System.CommandLine;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera convert</c>: an adapter written again, or as LoRA where that is exact.</summary>
internal static class ConvertCommand
{
    private const string Lora = "LORA";
    private static readonly Argument<string> Folder = new("DIR") { Description = "Adapter folder: adapter_config.json and adapter_model.safetensors." };
    private static readonly Option<string> Out = new("--out") { Description = "Folder to write.", Required = true };
    private static readonly Option<string?> To = new("--to") { Description = "LORA (from VERA or LOTR), or the adapter's own type, which is the default." };
    private static readonly Option<string?> Base = new("--base") { Description = "safetensors (a file, an index, or a folder) of the base model: --to LORA and --with-bases need its sizes." };
    private static readonly Option<bool> WithBases = new("--with-bases") { Description = "VERA and RANDLORA: put the frozen bases into the file." };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that are already there." };

    public static Command Create()
    {
        var command = new Command("convert", "Write an adapter again: checked, without repeated bases, with its frozen bases, or as LoRA.")
        {
            Folder, Out, To, Base, WithBases, Force, CommandHost.DrawnAsOption,
        };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        string output = result.GetValue(Out)!;
        using Adapter adapter = Adapter.Load(result.GetValue(Folder)!, CommandHost.LoadOptions(result));
        string type = result.GetValue(To)?.ToUpperInvariant() ?? adapter.Type;
        if (type != adapter.Type && type != Lora)
        {
            throw new UsageException($"{To.Name}: {adapter.Type} can be written as {adapter.Type} or, where exact, as {Lora}; found '{type}'.");
        }

        bool withBases = result.GetValue(WithBases);
        if (withBases && type is not ("VERA" or "RANDLORA"))
        {
            throw new UsageException($"{WithBases.Name}: only VERA and RANDLORA have frozen bases in a file; this writes {type}.");
        }

        Write(adapter, type, withBases, output, result);
        context.Terminal.Line($"{output}: {type}, {adapter.Modules.Length} modules, from {adapter.Type}");
        adapter.Notes.ToList().ForEach(note => context.Terminal.Line($"note: {note}"));
        if (context.Json)
        {
            JsonOutput.Write(new JsonObject
            {
                ["output"] = output,
                ["from"] = adapter.Type,
                ["to"] = type,
                ["modules"] = JsonOutput.Array(adapter.Modules),
                ["notes"] = JsonOutput.Array(adapter.Notes),
            });
        }

        return ExitCodes.Success;
    }

    private static void Write(Adapter adapter, string type, bool withBases, string output, ParseResult result)
    {
        bool force = result.GetValue(Force);
        if (type == adapter.Type && !withBases)
        {
            adapter.Save(output, force);
            return;
        }

        string path = result.GetValue(Base) ?? throw new UsageException($"{Base.Name}: the sizes of the base model's layers are needed for this; name its safetensors.");
        using Checkpoint baseModel = Checkpoint.Open(path);
        using AdapterBinding binding = adapter.Bind(baseModel.Modules());
        if (withBases)
        {
            AdapterConversion.SaveWithBases(adapter, binding, output, force);
            return;
        }

        try
        {
            AdapterWriter.Save(output, AdapterConversion.ToLora(binding), new AdapterSaveOptions { Overwrite = force, BaseModelNameOrPath = BaseModel(adapter), IsBaseTransposed = adapter.IsBaseTransposed });
        }
        catch (NotSupportedException reason)
        {
            throw new UsageException($"{To.Name}: {reason.Message}");
        }
    }

    private static string? BaseModel(Adapter adapter) =>
        adapter.Config.TryGet("base_model_name_or_path", out System.Text.Json.JsonElement value) && value.ValueKind == System.Text.Json.JsonValueKind.String
            ? value.GetString()
            : null;
}
