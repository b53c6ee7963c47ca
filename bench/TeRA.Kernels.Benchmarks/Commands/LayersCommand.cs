using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>layers</c>: forward and a whole step of adapted layers as ratios to the frozen layer made of two cuBLASLt products.</summary>
internal static class LayersCommand
{
    private const double CliffAllowance = 1.15;
    private const long DriverBlock = 2 << 20;

    private static readonly (string Name, AdaptedLinearOptions Options)[] Policies =
    [
        ("rebuild", new AdaptedLinearOptions()),
        ("keep", new AdaptedLinearOptions { WeightPolicy = WeightPolicy.Keep, Contractions = ContractionPolicy.Keep }),
    ];

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "layers", "Adapted layers against the frozen layer made of two cuBLASLt products: methods, shapes, policies, device memory.", LayerCase.All.Select(item => item.Name), Run);

    private static void Run(DeviceBench bench, string? json)
    {
        var table = new TextTable(Console.Out, 44, "policy", "path", "frozen_us", "frozen_step", "forward_us", "step_us", "forward", "target", "step", "target", "tflops", "gbytes_s", "to_floor", "stated_MiB", "measured");
        RowRecorder<LayerRow> rows = bench.Record<LayerRow>("layers", json);
        foreach (LayerCase item in LayerCase.All.Where(item => bench.Wants(item.Name)))
        {
            LayerRow[] found = Measure(bench, item, rows.Rows);
            foreach (LayerRow row in found)
            {
                table.Add(
                    item.Name, row.Policy, row.Path, row.FrozenForwardUs, row.FrozenStepUs, row.ForwardUs, row.StepUs, row.Forward, row.ForwardTarget, row.Step, row.StepTarget,
                    row.StepTflops, row.StepGbytesPerSecond, row.FloorRatio, row.StatedBytes / (double)(1 << 20), $"{row.MeasuredBytes / (double)(1 << 20):F1}{(row.BytesAgree ? "" : " !")}");
                rows.Add(row);
            }
        }

        rows.Finish();
    }

    // All policies and the frozen layer run by turns, so that a warm card is warm for all.
    private static LayerRow[] Measure(DeviceBench bench, LayerCase item, IReadOnlyList<LayerRow> before)
    {
        using var inputs = new LayerInputs(bench.Device, item.Shape);
        var frozen = new FrozenLayers(bench.Cublas, inputs, item.Shape);
        AdaptedLayers[] adapted = [.. Policies.Select(policy => new AdaptedLayers(bench.Device, inputs, item.Update, policy.Options))];
        double[] seconds = bench.Timer.Medians(inputs.Sets, [frozen.Forward, frozen.Step, .. adapted.SelectMany(layers => new Action<StreamHandle, int>[] { layers.Forward, layers.Step })]);
        LayerRow[] rows = [.. adapted.Select((layers, i) => Row(item, Policies[i], layers, (seconds[0], seconds[1]), (seconds[2 + (2 * i)], seconds[3 + (2 * i)]), before))];
        Array.ForEach(adapted, layers => layers.Dispose());
        return rows;
    }

    private static LayerRow Row(
        LayerCase item, (string Name, AdaptedLinearOptions Options) policy, AdaptedLayers layers, (double Forward, double Step) frozen, (double Forward, double Step) ours, IReadOnlyList<LayerRow> before)
    {
        LayerPlan plan = layers.Plan(item.Shape.Tokens);
        LayerRow? like = item.Like is null ? null : before.FirstOrDefault(row => $"{row.Title}, {row.Shape}" == item.Like && row.Policy == policy.Name);
        long stated = plan.ScratchBytes + (item.Shape.Layers * plan.KeptBytes);
        long measured = AdaptedLayers.MeasureBytes(item.Shape, item.Update, policy.Options);
        double floor = item.Shape.Layers * plan.Forward.Steps.Concat(plan.Backward.Steps).Sum(step => StepFloor.Seconds(step, plan.Traits));
        int blocks = (plan.ScratchBytes > 0 ? 1 : 0) + (plan.KeptBytes > 0 ? item.Shape.Layers : 0);
        return new LayerRow
        {
            Method = item.Method,
            Title = item.Title,
            Tokens = item.Shape.Tokens,
            OutFeatures = item.Shape.OutFeatures,
            InFeatures = item.Shape.InFeatures,
            Layers = item.Shape.Layers,
            Policy = policy.Name,
            Path = plan.PathName,
            FrozenForwardUs = frozen.Forward * 1e6,
            FrozenStepUs = frozen.Step * 1e6,
            ForwardUs = ours.Forward * 1e6,
            StepUs = ours.Step * 1e6,
            Forward = ours.Forward / frozen.Forward,
            Step = ours.Step / frozen.Step,
            ForwardTarget = item.ForwardTarget ?? (CliffAllowance * like?.Forward),
            StepTarget = item.StepTarget ?? (CliffAllowance * like?.Step),
            StepTflops = item.Shape.Layers * plan.Operations / ours.Step / 1e12,
            StepGbytesPerSecond = item.Shape.Layers * plan.Bytes / ours.Step / 1e9,
            StepFloorUs = floor * 1e6,
            FloorRatio = ours.Step / floor,
            StatedBytes = stated,
            MeasuredBytes = measured,
            BytesAgree = Math.Abs(measured - stated) <= DriverBlock * blocks,
            SharedBytes = layers.SharedBytes,
            Trained = item.Update.TrainedCount,
        };
    }
}
