using System.Globalization;

namespace TeRA.Kernels.Planning;

/// <summary>Which paths a layer with an update may take, and which of their plans is taken, with the reasons.</summary>
internal static class PathChoice
{
    // How close predictions are to measurements. A shorter forward also pays in evaluation, and where activations are computed again in backward.
    private const double AsShort = 1.02;

    /// <summary>
    /// The paths to plan: every pair that is asked for, and one path for both passes even where it is not, to compare with. Without dX there is no path to take
    /// in backward.
    /// </summary>
    public static IEnumerable<LayerPaths> Candidates(LayerProblem problem) =>
        from forward in new[] { ExecutionPath.Merged, ExecutionPath.Factored }
        from backward in new[] { ExecutionPath.Merged, ExecutionPath.Factored }
        let paths = new LayerPaths(forward, backward)
        where forward == backward || (IsAsked(problem, paths) && problem.NeedInputGradient)
        orderby forward != backward
        select paths;

    /// <summary>The shortest step; of those that are as short, as far as predictions can tell, the one with the shortest forward.</summary>
    public static LayerPlan Of(LayerPlan[] candidates)
    {
        LayerPlan[] asked = [.. candidates.Where(IsAsked)];
        LayerPlan shortest = asked.MinBy(plan => plan.Seconds)!;
        LayerPlan taken = asked.Where(plan => plan.Seconds <= AsShort * shortest.Seconds).OrderBy(plan => plan.ForwardSeconds).ThenBy(plan => plan.Seconds).First();
        string reason = asked.Length == 1 ? "the options ask for it"
            : ReferenceEquals(taken, shortest) ? "the shortest"
            : $"as short as {shortest.PathName} to {Math.Round(100 * (AsShort - 1))} %, and forward is shorter";
        IEnumerable<string> others = candidates.Where(plan => !ReferenceEquals(plan, taken)).OrderBy(plan => plan.Seconds)
            .Select(plan => $"{plan.PathName} {(IsAsked(plan) ? "rejected" : "not asked for")}: predicted {Time(plan)}{Burden(plan)}");
        return taken with { Reasons = [$"{taken.PathName} taken: predicted {Time(taken)}, {reason}", .. others] };
    }

    private static bool IsAsked(LayerPlan plan) => IsAsked(plan.Problem, new LayerPaths(plan.Path, plan.BackwardPath));

    private static bool IsAsked(LayerProblem problem, LayerPaths paths)
    {
        ExecutionPath backward = problem.NeedInputGradient ? problem.BackwardPath ?? problem.Path : ExecutionPath.Auto;
        return (problem.Path == ExecutionPath.Auto || problem.Path == paths.Forward) && (backward == ExecutionPath.Auto || backward == paths.Backward);
    }

    private static string Time(LayerPlan plan) => plan.Problem.NeedBackward
        ? $"{PlanText.Time(plan.Seconds)} a step ({PlanText.Time(plan.ForwardSeconds)} forward, {PlanText.Time(plan.BackwardSeconds)} backward)"
        : $"{PlanText.Time(plan.ForwardSeconds)} forward";

    private static string Burden(LayerPlan plan)
    {
        (string label, double seconds) = plan.StepTimes().MaxBy(entry => entry.Seconds);
        return string.Create(CultureInfo.InvariantCulture, $", of it {PlanText.Time(seconds)} in \"{label}\"");
    }
}
