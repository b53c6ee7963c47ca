using System.Collections.Immutable;
using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary>
/// <c>regret</c>: what the planner's predictions cost. A whole step is measured on both paths and on the planner's own choice, which may take one in forward
/// and the other in backward, over a grid of shapes; the regret is how much longer than the fastest of them the choice takes.
/// </summary>
internal static class RegretCommand
{
    private static readonly long[] Tokens = [256, 1024, 2048, 8192];

    private static readonly (long N, long K)[] Sizes = [(1024, 1024), (3072, 3072), (4096, 4096), (5120, 5120), (14336, 4096), (4096, 14336)];

    private static readonly LayerShape[] Shapes = [.. Sizes.SelectMany(size => Tokens.Select(tokens => new LayerShape(tokens, size.N, size.K, 1)))];

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "regret", "Both paths measured over a grid of shapes and methods, against the planner's choice: worst and mean regret.", Points().Select(point => point.Name), Run, repeats: 7);

    private static IEnumerable<LayerCase> Points() => Shapes.SelectMany(Points);

    private static IEnumerable<LayerCase> Points(LayerShape shape)
    {
        (long n, long k) = (shape.OutFeatures, shape.InFeatures);
        ImmutableArray<long> rows = ModeFactorization.Propose(n), columns = ModeFactorization.Propose(k);
        foreach (long rank in new long[] { 4, 8, 16 })
        {
            ImmutableArray<long> ranks = [rank, rank, rank];
            yield return new LayerCase($"tera_{rank}x{rank}x{rank}", $"TeRA ranks {rank}³", shape, new TeraUpdate(rows, ranks, columns, ranks));
        }

        yield return new LayerCase("lora_r16", "LoRA r16", shape, new LowRankUpdate(n, k, 16));
        yield return new LayerCase("lora_r64", "LoRA r64", shape, new LowRankUpdate(n, k, 64));
        yield return new LayerCase("vera_r256", "VeRA r256", shape, new VeraUpdate(n, k, 256));
    }

    private static void Run(DeviceBench bench, string? json)
    {
        var table = new TextTable(Console.Out, 44, "merged_us", "predicted", "factored_us", "predicted", "choice", "regret");
        RowRecorder<RegretRow> rows = bench.Record<RegretRow>("regret", json);
        foreach (LayerShape shape in Shapes)
        {
            LayerCase[] wanted = [.. Points(shape).Where(point => bench.Wants(point.Name))];
            if (wanted.Length == 0)
            {
                continue;
            }

            using var inputs = new LayerInputs(bench.Device, shape);
            foreach (LayerCase point in wanted)
            {
                RegretRow row = Measure(bench, inputs, point);
                table.Add(point.Name, row.MergedUs, row.PredictedMergedUs, row.FactoredUs, row.PredictedFactoredUs, row.Choice, $"{row.Regret:P1}");
                rows.Add(row);
            }
        }

        RegretRow worst = rows.Rows.MaxBy(row => row.Regret)!;
        Console.WriteLine($"worst regret {worst.Regret:P1} ({worst.Method}, {worst.OutFeatures}×{worst.InFeatures}, {worst.Tokens} tokens), mean {rows.Rows.Average(row => row.Regret):P1} of {rows.Rows.Count} points");
        rows.Finish();
    }

    private static RegretRow Measure(DeviceBench bench, LayerInputs inputs, LayerCase point)
    {
        using var merged = new AdaptedLayers(bench.Device, inputs, point.Update, new AdaptedLinearOptions { Path = ExecutionPath.Merged });
        using var factored = new AdaptedLayers(bench.Device, inputs, point.Update, new AdaptedLinearOptions { Path = ExecutionPath.Factored });
        using var chosen = new AdaptedLayers(bench.Device, inputs, point.Update, new AdaptedLinearOptions());
        long tokens = point.Shape.Tokens;
        double[] seconds = bench.Timer.Medians(inputs.Sets, merged.Step, factored.Step, chosen.Step);
        LayerPlan choice = chosen.Plan(tokens);
        bool mixed = choice.Path != choice.BackwardPath;
        double taken = mixed ? seconds[2] : choice.Path == ExecutionPath.Merged ? seconds[0] : seconds[1];
        double fastest = mixed ? seconds.Min() : Math.Min(seconds[0], seconds[1]);
        return new RegretRow(
            point.Method, tokens, point.Shape.OutFeatures, point.Shape.InFeatures, seconds[0] * 1e6, seconds[1] * 1e6, merged.Plan(tokens).Seconds * 1e6,
            factored.Plan(tokens).Seconds * 1e6, choice.PathName, (taken / fastest) - 1);
    }
}
