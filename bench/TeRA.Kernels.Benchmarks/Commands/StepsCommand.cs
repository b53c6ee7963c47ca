using System.Collections.Immutable;
using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>steps</c>: where a layer's time goes, each step of its plan alone, beside its floor from memory and arithmetic.</summary>
internal static class StepsCommand
{
    // Few enough for a graph, and with buffers of their own past the L2 cache in sum.
    private const int Sets = 3;
    private const int Rounds = 4;

    private static readonly Option<bool> Grid = new("--grid") { Description = "The layers of 'regret' instead of those of 'layers'." };

    private static readonly Option<ExecutionPath> Path = new("--path")
    {
        Description = "The plan's path, in both passes.", HelpName = "auto|merged|factored", DefaultValueFactory = _ => ExecutionPath.Auto,
    };

    private static readonly Option<long?> Tokens = new("--tokens") { Description = "So many tokens in every layer instead of its own.", HelpName = "B" };

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "steps", "Each step of a layer's plan alone, beside its floor from memory and arithmetic.", result => Cases(result).Select(item => item.Name), Run, repeats: 11, Grid, Path, Tokens);

    private static IEnumerable<LayerCase> Cases(ParseResult options)
    {
        ImmutableArray<LayerCase> all = options.GetValue(Grid) ? RegretGrid.All : LayerCase.All;
        return options.GetValue(Tokens) is { } tokens ? all.Select(item => item with { Shape = item.Shape with { Tokens = tokens } }).DistinctBy(item => item.Name) : all;
    }

    private static void Run(DeviceBench bench, ParseResult options)
    {
        var table = new TextTable(Console.Out, 52, "us", "floor_us", "to_floor", "gbytes_s", "tflops");
        RowRecorder<StepRow> rows = bench.Record<StepRow>("steps", options.GetValue(DeviceOptions.JsonOption));
        var known = new Dictionary<(string Kernel, double Bytes, double Operations), double>();
        foreach (LayerCase item in Cases(options).Where(item => bench.Wants(item.Name)))
        {
            LayerPlan plan = LayerPlanner.Plan(item.Problem with { Path = options.GetValue(Path) }, bench.Device.Traits);
            Console.WriteLine($"{item.Name}, {plan.PathName}");
            foreach ((string pass, LayerPass steps) in new[] { ("forward", plan.Forward), ("backward", plan.Backward) })
            {
                foreach (StepRow row in Measure(bench, item.Name, pass, steps, known))
                {
                    table.Add($"  {pass}: {row.Step}", row.Us, row.FloorUs, row.FloorRatio, row.GbytesPerSecond, row.Tflops);
                    Console.WriteLine($"      {row.Kernel}");
                    rows.Add(row);
                }
            }
        }

        rows.Finish();
    }

    // A step that another plan has, too, is measured once.
    private static StepRow[] Measure(DeviceBench bench, string problem, string pass, LayerPass steps, Dictionary<(string Kernel, double Bytes, double Operations), double> known)
    {
        (Step Step, CompiledStep Compiled)[] all = [.. steps.Steps.Select(step => (step, bench.Device.Compile(step)))];
        var lacking = all.Where(item => !known.ContainsKey(Key(item))).ToArray();
        if (lacking.Length > 0)
        {
            Tensor[][] buffers = [.. Enumerable.Range(0, Sets).Select(_ => steps.Buffers.Select(buffer => Allocate(bench.Device, buffer)).ToArray())];
            Array.ForEach(lacking, item => known[Key(item)] = Seconds(bench, item.Compiled, buffers));
            Array.ForEach([.. buffers.SelectMany(set => set)], tensor => tensor.Dispose());
        }

        return [.. all.Select(item => Row(item.Step, item.Compiled.Description, known[Key(item)]))];

        static (string Kernel, double Bytes, double Operations) Key((Step Step, CompiledStep Compiled) item) => (item.Compiled.Description, item.Step.Bytes, item.Step.Operations);

        StepRow Row(Step step, string kernel, double seconds)
        {
            double floor = StepFloor.Seconds(step, bench.Device.Traits);
            return new StepRow(problem, pass, step.Label, kernel, seconds * 1e6, floor * 1e6, seconds / floor, step.Bytes / seconds / 1e9, step.Operations / seconds / 1e12);
        }
    }

    private static double Seconds(DeviceBench bench, CompiledStep compiled, Tensor[][] buffers)
    {
        using Tensor workspace = bench.Device.Allocate(DType.BFloat16, (compiled.WorkspaceBytes / 2) + 1);
        nint[][] addresses = [.. buffers.Select(set => set.Select((tensor, slot) => slot == Step.WorkspaceSlot ? workspace.Address : tensor.Address).ToArray())];
        return bench.Timer.Medians(1, (stream, _) =>
        {
            for (int i = 0; i < Rounds * Sets; i++)
            {
                compiled.Run(addresses[i % Sets], stream);
            }
        })[0] / (Rounds * Sets);
    }

    private static Tensor Allocate(CudaDevice device, PlanBuffer buffer) =>
        DeviceData.Normal(device, buffer.DType is DType.Float64 ? DType.Float32 : buffer.DType, 1, Math.Max(1, buffer.Count));
}
