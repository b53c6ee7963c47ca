using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary>What the commands that time the device have in common.</summary>
internal static class DeviceOptions
{
    private static readonly Option<string?> Json = new("--json") { Description = "Write the rows to this file too, with card, driver, CUDA, date and commit.", HelpName = "FILE" };

    private static readonly Option<string[]> Only = new("--only")
    {
        Description = "Only rows whose name contains this; * and ? stand for any text and any character; may be given several times.",
        HelpName = "PATTERN",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<bool> List = new("--list") { Description = "Name the rows and measure nothing." };

    /// <summary><c>--json</c>, for commands that time no device too.</summary>
    public static Option<string?> JsonOption => Json;

    /// <summary>A command with <c>--only</c>, <c>--list</c>, <c>--json</c> and <c>--repeats</c>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it measures.</param>
    /// <param name="rows">All rows.</param>
    /// <param name="run">Measures the rows that are wanted.</param>
    /// <param name="repeats">Timed runs of each candidate.</param>
    public static Command Command(string name, string description, IEnumerable<string> rows, Action<DeviceBench, string?> run, int repeats = 25) =>
        Command(name, description, _ => rows, (bench, result) => run(bench, result.GetValue(Json)), repeats);

    /// <summary>The same for a command with options of its own, which say what its rows are.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it measures.</param>
    /// <param name="rows">All rows.</param>
    /// <param name="run">Measures the rows that are wanted.</param>
    /// <param name="repeats">Timed runs of each candidate.</param>
    /// <param name="own">Its options.</param>
    public static Command Command(
        string name, string description, Func<ParseResult, IEnumerable<string>> rows, Action<DeviceBench, ParseResult> run, int repeats, params IEnumerable<Option> own)
    {
        var repeatOption = new Option<int>("--repeats") { Description = "Timed runs of each candidate; the median counts.", HelpName = "N", DefaultValueFactory = _ => repeats };
        repeatOption.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
            {
                result.AddError("--repeats: expected at least 1.");
            }
        });
        var command = new Command(name, description) { Only, List, Json, repeatOption };
        foreach (Option option in own)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            if (result.GetValue(List))
            {
                Console.WriteLine(string.Join('\n', rows(result).Where(row => Reporting.RowFilter.Matches(result.GetValue(Only)!, row))));
                return;
            }

            using var bench = new DeviceBench(result.GetValue(Only)!, result.GetValue(repeatOption));
            if (!rows(result).Any(bench.Wants))
            {
                throw new ArgumentException($"--only: no row of '{name}' matches; --list names them.");
            }

            run(bench, result);
        });
        return command;
    }
}
