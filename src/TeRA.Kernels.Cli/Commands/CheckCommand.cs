using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera check</c>: the library against the dense float64 reference, on this machine's device.</summary>
internal static class CheckCommand
{
    private static readonly Option<string> Device = CommandHost.DeviceOption();
    private static readonly Option<bool> Large = new("--large") { Description = "Also the sizes of real layers; slow, since the reference is dense float64." };
    private static readonly Option<bool> All = new("--all") { Description = "Print every row instead of the worst of each method, dtype, path and quantity." };

    public static Command Create()
    {
        var command = new Command("check", "Sweep shapes, methods and dtypes on a device against the float64 reference; error ratios as a table.") { Device, Large, All };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        bool large = result.GetValue(Large);
        using Device device = DeviceChoice.Open(result.GetValue(Device)!, out string reason);
        List<VerificationRow> rows = context.Terminal.Progress(progress => Sweep(device, large, progress, context.Cancellation));
        VerificationRow[] failed = [.. rows.Where(row => !row.Passed)];
        IReadOnlyList<VerificationRow> shown = result.GetValue(All) ? rows : Worst(rows);
        context.Terminal.Table(
            $"Error ratios on {device.Id} ({device.Name}); a ratio above its bound fails",
            ["method", "dtype", "path", "quantity", "worst case", "ratio", "bound", "verdict"],
            [.. shown.Select(Cells)]);
        foreach (VerificationRow row in failed.Take(10))
        {
            context.Terminal.Error($"{row.Method} {row.DType.Label()} {row.Path} {row.Quantity} ({row.Case}): {row.Report}");
        }

        context.Terminal.Line($"device: {reason}");
        context.Terminal.Line($"{rows.Count} comparisons, {failed.Length} out of bounds");
        if (context.Json)
        {
            JsonOutput.Write(Json(device, rows, failed.Length));
        }

        return failed.Length == 0 ? ExitCodes.Success : ExitCodes.VerificationFailed;
    }

    private static List<VerificationRow> Sweep(Device device, bool large, IProgressReport progress, CancellationToken cancellation)
    {
        VerificationCase[] cases = [.. LayerVerification.Cases(device, large)];
        var rows = new List<VerificationRow>();
        progress.Begin("checking", cases.Length);
        for (int i = 0; i < cases.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            rows.AddRange(LayerVerification.Run(device, cases[i]));
            progress.Advance(i + 1, cases[i].ToString());
        }

        progress.End();
        return rows;
    }

    private static IReadOnlyList<VerificationRow> Worst(IEnumerable<VerificationRow> rows) =>
    [
        .. rows
            .GroupBy(row => (row.Method, row.DType, row.Path, Quantity: Family(row.Quantity), row.Bound))
            .Select(group => group.OrderBy(row => row.Passed).ThenByDescending(row => row.Ratio).First() with { Quantity = group.Key.Quantity }),
    ];

    /// <summary>One line for the gradients of all vectors.</summary>
    private static string Family(string quantity) => quantity.StartsWith("grad:", StringComparison.Ordinal) ? "grad:*" : quantity;

    private static IReadOnlyList<string> Cells(VerificationRow row) =>
    [
        row.Method,
        row.DType.Label(),
        row.Path.ToString().ToLowerInvariant(),
        row.Quantity,
        row.Case,
        row.Ratio.ToString("F3", CultureInfo.InvariantCulture),
        row.Bound.ToString("F0", CultureInfo.InvariantCulture),
        row.Passed ? "ok" : "FAILED",
    ];

    private static JsonObject Json(Device device, IEnumerable<VerificationRow> rows, int failed) => new()
    {
        ["device"] = device.Id,
        ["name"] = device.Name,
        ["failed"] = failed,
        ["rows"] = new JsonArray([.. rows.Select(row => new JsonObject
        {
            ["method"] = row.Method,
            ["case"] = row.Case,
            ["dtype"] = row.DType.Label(),
            ["path"] = row.Path.ToString().ToLowerInvariant(),
            ["quantity"] = row.Quantity,
            ["error"] = JsonOutput.Number(row.Error),
            ["yardstick"] = JsonOutput.Number(row.Yardstick),
            ["ratio"] = JsonOutput.Number(row.Ratio),
            ["bound"] = row.Bound,
            ["passed"] = row.Passed,
        })]),
    };
}
