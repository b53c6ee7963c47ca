using System.Globalization;
using System.Text;
using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>The planner's predictions for what was measured on an H100.</summary>
internal static class Predictions
{
    /// <summary>The line before the table in a text.</summary>
    public const string Begin = "<!-- predicted: written by `bench compare --predicted` from the result files -->";

    /// <summary>The line after it.</summary>
    public const string End = "<!-- end of what was predicted -->";

    private static readonly ExecutionPath[] Paths = [ExecutionPath.Merged, ExecutionPath.Factored];

    /// <summary>Every measured layer that is still measured today.</summary>
    public static IEnumerable<PredictedLayer> Layers(IEnumerable<LayerRow> rows)
    {
        foreach (LayerRow row in rows)
        {
            if (LayerCase.All.FirstOrDefault(item => item.Name == $"{row.Title}, {row.Shape}") is not { } item)
            {
                continue;
            }

            LayerProblem problem = item.Problem with
            {
                WeightPolicy = row.Policy == "keep" ? WeightPolicy.Keep : WeightPolicy.Rebuild,
                Contractions = row.Policy == "keep" ? ContractionPolicy.Keep : ContractionPolicy.KeepNarrow,
            };
            ExecutionPath[] paths = PathsOf(row.Path);
            yield return new PredictedLayer(
                row, Plan(problem with { Path = paths[0], BackwardPath = paths[^1] }), Plan(problem).PathName, Plan(problem with { Updates = [] }));
        }
    }

    /// <summary>Every measured step that a plan has today.</summary>
    public static IEnumerable<PredictedStep> Steps(IEnumerable<StepRow> rows)
    {
        foreach (IGrouping<string, StepRow> group in rows.GroupBy(row => row.Problem))
        {
            if (LayerCase.All.Concat(RegretGrid.All).FirstOrDefault(item => item.Name == group.Key) is not { } item)
            {
                continue;
            }

            LayerPlan[] plans = [.. Paths.Select(path => Plan(item.Problem with { Path = path, Contractions = ContractionPolicy.Recompute }))];
            foreach (StepRow row in group)
            {
                IEnumerable<Step> steps = plans.SelectMany(plan => (row.Pass == "forward" ? plan.Forward : plan.Backward).Steps);
                if (steps.FirstOrDefault(step => step.Label == row.Step) is { } step)
                {
                    yield return new PredictedStep(row, CostModel.Seconds(step, DeviceTraits.H100) * 1e6);
                }
            }
        }
    }

    /// <summary>Every measured point of the regret's grid with what the planner chooses today, and what it predicts.</summary>
    public static IEnumerable<RegretRow> Regrets(IEnumerable<RegretRow> rows)
    {
        foreach (RegretRow row in rows)
        {
            if (RegretGrid.All.FirstOrDefault(point => point.Method == row.Method && point.Shape == row.Shape) is { } point)
            {
                string choice = Plan(point.Problem).PathName;
                yield return row with { Choice = choice, Regret = RegretRow.RegretOf(row.Paths, choice), Paths = [.. row.Paths.Select(path => path with { PredictedUs = Predict(point, path.Path) })] };
            }
        }

        static double Predict(LayerCase point, string name)
        {
            ExecutionPath[] paths = PathsOf(name);
            return Plan(point.Problem with { Path = paths[0], BackwardPath = paths[^1] }).Seconds * 1e6;
        }
    }

    /// <summary>The layers as a table of a text, with the mean and the largest error under it, and the regret.</summary>
    /// <param name="layers">At least one.</param>
    /// <param name="circumstances">Of the measurement.</param>
    /// <param name="regret">The regret's grid as it was measured; null where it was not.</param>
    public static string Render(IReadOnlyList<PredictedLayer> layers, string circumstances, ResultFile<RegretRow>? regret)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Measured: {circumstances}. Predicted: today's plans by the paths that were measured; where the planner takes others now, they are named.\n\n");
        text.Append("| | policy | path | forward: measured | predicted | | step: measured | predicted | |\n|---|---|---|---|---|---|---|---|---|\n");
        foreach (PredictedLayer layer in layers)
        {
            LayerRow row = layer.Measured;
            string path = layer.Choice == row.Path ? row.Path : $"{row.Path}, now {layer.Choice}";
            text.Append(CultureInfo.InvariantCulture, $"| {row.Title}, {row.Shape} | {row.Policy} | {path} | {row.Forward:F3} | {layer.Forward:F3} | {Percent(layer.ForwardError)} | {row.Step:F3} | {layer.Step:F3} | {Percent(layer.StepError)} |\n");
        }

        double[] errors = [.. layers.SelectMany(layer => new[] { Math.Abs(layer.ForwardError), Math.Abs(layer.StepError) })];
        text.Append(CultureInfo.InvariantCulture, $"\nErrors: mean {100 * errors.Average():F1} %, largest {100 * errors.Max():F1} %, beyond 3 % {errors.Count(error => error > 0.03)} of {errors.Length}.\n");
        return text.Append(regret is null ? "" : $"\nToday's choices of paths on the measured grid ({regret.Circumstances}): {RegretSummary.Of([.. Regrets(regret.Rows)])}.\n").ToString();
    }

    /// <summary>Prints the steps, the worst first.</summary>
    public static void Print(TextWriter writer, IEnumerable<PredictedStep> steps)
    {
        var table = new TextTable(writer, 100, "us", "predicted", "differ", "kernel");
        foreach (PredictedStep step in steps.OrderByDescending(step => Math.Abs(step.Us - step.Measured.Us)))
        {
            table.Add($"{step.Measured.Problem}: {step.Measured.Step}", step.Measured.Us, step.Us, step.Us - step.Measured.Us, step.Measured.Kernel);
        }
    }

    /// <summary>Prints the points whose choice is not the shortest, the worst first, and the regret of all.</summary>
    public static void Print(TextWriter writer, IReadOnlyList<RegretRow> rows)
    {
        RegretTable table = new(writer);
        foreach (RegretRow row in rows.Where(row => row.Regret > 0).OrderByDescending(row => row.Regret))
        {
            table.Add(row);
        }

        writer.WriteLine(RegretSummary.Of(rows));
    }

    private static ExecutionPath[] PathsOf(string name) => [.. name.Split('+').Select(path => Enum.Parse<ExecutionPath>(path, ignoreCase: true))];

    private static LayerPlan Plan(LayerProblem problem) => LayerPlanner.Plan(problem, DeviceTraits.H100);

    private static string Percent(double error) => string.Create(CultureInfo.InvariantCulture, $"{100 * error:+0.0;−0.0;0} %");
}
