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

            LayerProblem problem = Problem(item) with
            {
                WeightPolicy = row.Policy == "keep" ? WeightPolicy.Keep : WeightPolicy.Rebuild,
                Contractions = row.Policy == "keep" ? ContractionPolicy.Keep : ContractionPolicy.KeepNarrow,
            };
            ExecutionPath[] paths = [.. row.Path.Split('+').Select(name => Enum.Parse<ExecutionPath>(name, ignoreCase: true))];
            yield return new PredictedLayer(
                row, Plan(problem with { Path = paths[0], BackwardPath = paths[^1] }), Plan(problem).PathName, Plan(problem with { Updates = [] }));
        }
    }

    /// <summary>Every measured step that a plan has today.</summary>
    public static IEnumerable<PredictedStep> Steps(IEnumerable<StepRow> rows)
    {
        foreach (IGrouping<string, StepRow> group in rows.GroupBy(row => row.Problem))
        {
            if (LayerCase.All.FirstOrDefault(item => item.Name == group.Key) is not { } item)
            {
                continue;
            }

            LayerPlan[] plans = [.. Paths.Select(path => Plan(Problem(item) with { Path = path, Contractions = ContractionPolicy.Recompute }))];
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

    /// <summary>The layers as a table of a text, with the mean and the largest error under it.</summary>
    /// <param name="layers">At least one.</param>
    /// <param name="circumstances">Of the measurement.</param>
    public static string Render(IReadOnlyList<PredictedLayer> layers, string circumstances)
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
        return text.Append(CultureInfo.InvariantCulture, $"\nErrors: mean {100 * errors.Average():F1} %, largest {100 * errors.Max():F1} %, beyond 3 % {errors.Count(error => error > 0.03)} of {errors.Length}.\n").ToString();
    }

    /// <summary>Prints the steps, the worst first.</summary>
    public static void Print(TextWriter writer, IEnumerable<PredictedStep> steps)
    {
        var table = new TextTable(writer, 100, "us", "predicted", "differ");
        foreach (PredictedStep step in steps.OrderByDescending(step => Math.Abs(step.Us - step.Measured.Us)))
        {
            table.Add($"{step.Measured.Problem}: {step.Measured.Step}", step.Measured.Us, step.Us, step.Us - step.Measured.Us);
        }
    }

    private static LayerProblem Problem(LayerCase item) =>
        new(item.Shape.Tokens, item.Shape.OutFeatures, item.Shape.InFeatures, DType.BFloat16) { Update = item.Update };

    private static LayerPlan Plan(LayerProblem problem) => LayerPlanner.Plan(problem, DeviceTraits.H100);

    private static string Percent(double error) => string.Create(CultureInfo.InvariantCulture, $"{100 * error:+0.0;−0.0;0} %");
}
