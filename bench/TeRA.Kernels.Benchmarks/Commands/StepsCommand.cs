using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>steps</c>: where a layer's time goes, each step of its plan alone, beside its floor from memory and arithmetic.</summary>
internal static class StepsCommand
{
    // Few enough for a graph, and with buffers of their own past the L2 cache in sum.
    private const int Sets = 3;

    /// <summary>Runs it.</summary>
    public static Report Run(CudaDevice device)
    {
        var report = new Report(device, "us", "floor_us", "gbytes_s", "tflops");
        foreach ((string name, LayerProblem problem) in Problems())
        {
            LayerPlan plan = LayerPlanner.Plan(problem, device.Traits);
            Console.WriteLine(name);
            Measure(device, report, "forward", plan.Forward);
            Measure(device, report, "backward", plan.Backward);
        }

        return report;
    }

    private static IEnumerable<(string Name, LayerProblem Problem)> Problems()
    {
        foreach (long rank in new long[] { 16, 8 })
        {
            var update = new TeraUpdate([16, 16, 16], [rank, rank, rank], [16, 16, 16], [rank, rank, rank]);
            yield return ($"4096×4096, ranks {rank}³, B=8192", new LayerProblem(8192, 4096, 4096, DType.BFloat16) { Update = update });
        }
    }

    private static void Measure(CudaDevice device, Report report, string pass, LayerPass steps)
    {
        Tensor[][] buffers = [.. Enumerable.Range(0, Sets).Select(_ => steps.Buffers.Select(buffer => Allocate(device, buffer)).ToArray())];
        foreach (Step step in steps.Steps)
        {
            CompiledStep compiled = device.Compile(step);
            using Tensor workspace = device.Allocate(DType.BFloat16, (compiled.WorkspaceBytes / 2) + 1);
            nint[][] addresses = [.. buffers.Select(set => set.Select((tensor, slot) => slot == Step.WorkspaceSlot ? workspace.Address : tensor.Address).ToArray())];
            double seconds = new DeviceTimer(device).Medians(1, (stream, _) =>
            {
                for (int i = 0; i < 4 * Sets; i++)
                {
                    compiled.Run(addresses[i % Sets], stream);
                }
            })[0] / (4 * Sets);
            double floor = Math.Max(step.Bytes / device.Traits.BytesPerSecond, step is MatrixProductStep or CoreProjectionStep ? step.Operations / device.Traits.HalfOperationsPerSecond : 0);
            report.Add($"  {pass}: {step.Label}"[..Math.Min(50, pass.Length + step.Label.Length + 4)], seconds * 1e6, floor * 1e6, step.Bytes / seconds / 1e9, step.Operations / seconds / 1e12);
            Console.WriteLine($"      {compiled.Description}");
        }

        Array.ForEach([.. buffers.SelectMany(set => set)], tensor => tensor.Dispose());
    }

    private static Tensor Allocate(CudaDevice device, PlanBuffer buffer) =>
        DeviceData.Normal(device, buffer.DType is DType.Float64 ? DType.Float32 : buffer.DType, 1, Math.Max(1, buffer.Count));
}
