using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary>Runs one command: signals become cancellation, exceptions become a line on stderr and an exit code.</summary>
internal static class CommandHost
{
    /// <summary><c>--json</c>, common to all commands.</summary>
    public static Option<bool> JsonOption { get; } = new("--json")
    {
        Description = "Write one JSON document to stdout.",
        Recursive = true,
    };

    /// <summary><c>--device</c>, for the commands that compute.</summary>
    public static Option<string> DeviceOption() => new("--device")
    {
        Description = "auto (the best there is), cpu, cuda or cuda:N.",
        DefaultValueFactory = _ => "auto",
    };

    /// <summary><c>--drawn-as</c>, for the commands that open adapters.</summary>
    public static Option<string> DrawnAsOption { get; } = new("--drawn-as")
    {
        Description = "bfloat16 or float16: how PEFT drew RandLoRA bases that are not in the file.",
        DefaultValueFactory = _ => "bfloat16",
    };

    /// <summary>How an adapter is to be opened.</summary>
    public static AdapterLoadOptions LoadOptions(ParseResult result) => new()
    {
        DrawnAs = OptionText.TryDType(result.GetValue(DrawnAsOption)!) is { } drawn and (DType.BFloat16 or DType.Float16)
            ? drawn
            : throw new UsageException($"{DrawnAsOption.Name}: expected bfloat16 or float16, found '{result.GetValue(DrawnAsOption)}'."),
    };

    /// <summary>Refuses smaller numbers, with the option's name.</summary>
    public static Option<T> AtLeast<T>(this Option<T> option, long minimum)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && long.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number < minimum)
            {
                result.AddError($"{option.Name} must be at least {minimum}, found {number}.");
            }
        });
        return option;
    }

    /// <summary>Refuses numbers outside a range, with the option's name.</summary>
    public static Option<T> Within<T>(this Option<T> option, long minimum, long maximum)
    {
        option.AtLeast(minimum).Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && long.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number > maximum)
            {
                result.AddError($"{option.Name} must be at most {maximum}, found {number}.");
            }
        });
        return option;
    }

    public static void SetAction(Command command, Func<ParseResult, CommandContext, int> action) =>
        command.SetAction(result => Run(result.GetValue(JsonOption), context => action(result, context)));

    private static int Run(bool json, Func<CommandContext, int> action)
    {
        using var cancellation = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, cancellation);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, cancellation);
        Terminal terminal = Terminal.StandardError();
        try
        {
            return action(new CommandContext(terminal, json, cancellation.Token));
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            terminal.Line();
            terminal.Error("interrupted; nothing half-written is left behind");
            return ExitCodes.Interrupted;
        }
        catch (Exception exception) when (ExitCodeOf(exception) is int code)
        {
            terminal.Error(exception.Message);
            return code;
        }
    }

    /// <summary>null: a defect of ours, which should show its stack.</summary>
    private static int? ExitCodeOf(Exception exception) => exception switch
    {
        UsageException or OutputExistsException => ExitCodes.Usage,
        FileFormatException or FileNotFoundException or DirectoryNotFoundException => ExitCodes.BadInput,
        DeviceUnavailableException => ExitCodes.NoDevice,
        DeviceLostException => ExitCodes.DeviceLost,
        IOException or UnauthorizedAccessException or TeraException or OutOfMemoryException => ExitCodes.Failure,
        _ => null,
    };

    private static PosixSignalRegistration OnSignal(PosixSignal signal, CancellationTokenSource cancellation) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            // A second Ctrl-C ends the process the hard way.
            context.Cancel = !cancellation.IsCancellationRequested;
            cancellation.Cancel();
        });
}
