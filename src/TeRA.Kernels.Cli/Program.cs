using System.CommandLine;
using TeRA.Kernels.Cli.Commands;

namespace TeRA.Kernels.Cli;

/// <summary>The command line <c>tera</c>.</summary>
internal static class Program
{
    /// <summary>Runs one command line; tests call it as the shell does.</summary>
    internal static int Main(string[] arguments)
    {
        ParseResult result = CreateRoot().Parse(arguments);
        int code = result.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        return result.Errors.Count > 0 ? ExitCodes.Usage : code;
    }

    /// <summary>All commands, for the program and for tests.</summary>
    internal static RootCommand CreateRoot()
    {
        var root = new RootCommand("TeRA.Kernels: adapters by tensor-network weight updates, on the GPU and on the CPU.");
        root.Options.Add(CommandHost.JsonOption);
        root.Subcommands.Add(FinetuneCommand.Create());
        root.Subcommands.Add(ApplyCommand.Create());
        root.Subcommands.Add(InspectCommand.Create());
        root.Subcommands.Add(ConvertCommand.Create());
        root.Subcommands.Add(MergeCommand.Create());
        root.Subcommands.Add(CheckCommand.Create());
        root.Subcommands.Add(PlanCommand.Create());
        root.Subcommands.Add(DevicesCommand.Create());
        return root;
    }
}
