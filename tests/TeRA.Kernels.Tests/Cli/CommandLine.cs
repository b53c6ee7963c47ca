using System.Text.Json.Nodes;
using TeRA.Kernels.Cli;

namespace TeRA.Kernels.Tests.Cli;

/// <summary>One run of the command line with what it wrote.</summary>
/// <param name="ExitCode">What the shell would see.</param>
/// <param name="Output">stdout: JSON or nothing.</param>
/// <param name="Errors">stderr: everything for people.</param>
internal sealed record CommandLine(int ExitCode, string Output, string Errors)
{
    public JsonNode Json => JsonNode.Parse(Output)!;

    public static CommandLine Run(params string[] arguments)
    {
        (TextWriter output, TextWriter errors) = (Console.Out, Console.Error);
        using var newOutput = new StringWriter();
        using var newErrors = new StringWriter();
        try
        {
            Console.SetOut(newOutput);
            Console.SetError(newErrors);
            int code = Program.Main(arguments);
            return new CommandLine(code, newOutput.ToString(), newErrors.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(errors);
        }
    }
}
