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

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "steps", "Each step of a layer's plan alone, beside its floor from memory and arithmetic.", LayerCase.All.Select(item => item.Name), Run, repeats: 11);

    private static void Run(DeviceBench bench, string? json)
    {
        var table = new TextTable(Console.Out, 52, "us", "floor_us", "to_floor", "gbytes_s", "tflops");
        RowRecorder<StepRow> rows = bench.Record<StepRow>("steps", json);
        foreach (LayerCase item in LayerCase.All.Where(item => bench.Wants(item.Name)))
        {
            LayerShape shape = item.Shape;
            var problem = new LayerProblem(shape.Tokens, shape.OutFeatures, shape.InFeatures, DType.BFloat16) { Update = item.Update };
            LayerPlan plan = LayerPlanner.Plan(problem, bench.Device.Traits);
            Console.WriteLine($"{item.Name}, {plan.PathName}");
            foreach ((string pass, LayerPass steps) in new[] { ("forward", plan.Forward), ("backward", plan.Backward) })
            {
                foreach (StepRow row in Measure(bench, item.Name, pass, steps))
                {
                    table.Add($"  {pass}: {row.Step}", row.Us, row.FloorUs, row.FloorRatio, row.GbytesPerSecond, row.Tflops);
                    Console.WriteLine($"      {row.Kernel}");
                    rows.Add(row);
                }
            }
        }

        rows.Finish();
    }

    private static IEnumerable<StepRow> Measure(DeviceBench bench, string problem, string pass, LayerPass steps)
    {
        Tensor[][] buffers = [.. Enumerable.Range(0, Sets).Select(_ => steps.Buffers.Select(buffer => Allocate(bench.Device, buffer)).ToArray())];
        foreach (Step step in steps.Steps)
        {
            CompiledStep compiled = bench.Device.Compile(step);
            using Tensor workspace = bench.Device.Allocate(DType.BFloat16, (compiled.WorkspaceBytes / 2) + 1);
            nint[][] addresses = [.. buffers.Select(set => set.Select((tensor, slot) => slot == Step.WorkspaceSlot ? workspace.Address : tensor.Address).ToArray())];
            double seconds = bench.Timer.Medians(1, (stream, _) =>
            {
                for (int i = 0; i < Rounds * Sets; i++)
                {
                    compiled.Run(addresses[i % Sets], stream);
                }
            })[0] / (Rounds * Sets);
            double floor = StepFloor.Seconds(step, bench.Device.Traits);
            yield return new StepRow(
                problem, pass, step.Label, compiled.Description, seconds * 1e6, floor * 1e6, seconds / floor, step.Bytes / seconds / 1e9, step.Operations / seconds / 1e12);
        }

        Array.ForEach([.. buffers.SelectMany(set => set)], tensor => tensor.Dispose());
    }

    private static Tensor Allocate(CudaDevice device, PlanBuffer buffer) =>
        DeviceData.Normal(device, buffer.DType is DType.Float64 ? DType.Float32 : buffer.DType, 1, Math.Max(1, buffer.Count));
}
