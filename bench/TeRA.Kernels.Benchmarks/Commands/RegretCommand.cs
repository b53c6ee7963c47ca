using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary>
/// <c>regret</c>: what the planner's predictions cost. Over a grid of shapes a whole step is measured by every pair of paths, one of them the planner's
/// choice; the regret is how much longer than the shortest of them the choice takes.
/// </summary>
internal static class RegretCommand
{
    private static readonly ExecutionPath[] Paths = [ExecutionPath.Merged, ExecutionPath.Factored];

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "regret", "All pairs of paths measured over a grid of shapes and methods, against the planner's choice: worst and mean regret.", RegretGrid.All.Select(point => point.Name), Run, repeats: 5);

    private static void Run(DeviceBench bench, string? json)
    {
        var table = new RegretTable(Console.Out);
        RowRecorder<RegretRow> rows = bench.Record<RegretRow>("regret", json);

        // Plans and kernels are compiled side by side, before anything is timed.
        var points = RegretGrid.All.Where(point => bench.Wants(point.Name)).AsParallel().AsOrdered().Select(point => (Case: point, Programs: Compile(bench.Device, point))).ToArray();
        foreach (var sameShape in points.GroupBy(point => point.Case.Shape))
        {
            using var inputs = new LayerInputs(bench.Device, sameShape.Key);
            foreach ((LayerCase point, LayerProgram[] programs) in sameShape)
            {
                RegretRow row = Measure(bench, inputs, point, programs);
                table.Add(row);
                rows.Add(row);
            }
        }

        Console.WriteLine("µs of a step on the device: its share of a CUDA graph of several steps, one after another, each on inputs of its own.");
        Console.WriteLine(RegretSummary.Of(rows.Rows));
        rows.Finish();
    }

    // The same path for both passes first.
    private static LayerProgram[] Compile(CudaDevice device, LayerCase point) =>
    [
        .. from forward in Paths
           from backward in Paths
           orderby forward != backward
           select new LayerProgram(device, point.Problem with { Path = forward, BackwardPath = backward }),
    ];

    private static RegretRow Measure(DeviceBench bench, LayerInputs inputs, LayerCase point, LayerProgram[] programs)
    {
        using var layer = new PlannedLayer(bench.Device, inputs, point.Update, programs.Max(program => program.Plan.KeptBytes));
        double[] seconds = bench.Timer.Medians(1, [.. programs.Select(program => (Action<StreamHandle, int>)((stream, _) => layer.Steps(program, stream)))]);
        PathTime[] times = [.. programs.Select((program, i) => new PathTime(program.Plan.PathName, seconds[i] / inputs.Sets * 1e6, program.Plan.Seconds * 1e6))];
        string choice = LayerPlanner.Plan(point.Problem, bench.Device.Traits).PathName;
        return new RegretRow(point.Method, point.Shape.Tokens, point.Shape.OutFeatures, point.Shape.InFeatures, times, choice, RegretRow.RegretOf(times, choice));
    }
}
