using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>Plans in words, the same in every culture.</summary>
internal static class PlanText
{
    /// <summary>The whole plan.</summary>
    public static string Of(LayerPlan plan)
    {
        var text = new StringBuilder();
        text.AppendLine(Headline(plan.Problem, plan));
        foreach (string reason in plan.Reasons)
        {
            text.Append("  ").AppendLine(reason);
        }

        foreach (WeightUpdate update in plan.Problem.Updates)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  trained numbers {update.TrainedCount}, rank of ΔW at most {update.RankBound}, α {update.Alpha:g6}, frozen factors {Size(update.FactorBytes(plan.Problem.DType))} (regenerated, never stored){Given(update)}");
        }

        Append(text, "forward", plan.Forward, plan.ForwardSeconds, plan.ForwardLaunches, plan.ForwardKernels, plan.Traits);
        if (plan.Problem.NeedBackward)
        {
            Append(text, "backward", plan.Backward, plan.BackwardSeconds, plan.BackwardLaunches, plan.BackwardKernels, plan.Traits);
        }

        string kept = plan.Kept.IsEmpty ? "" : $" ({string.Join(", ", plan.Kept.Select(buffer => buffer.Name))})";
        text.AppendLine($"memory: scratch {Size(plan.ScratchBytes)}, shared by all layers; kept for backward {Size(plan.KeptBytes)}{kept}");
        AppendScratch(text, "forward", plan.Forward);
        AppendScratch(text, "backward", plan.Backward);
        if (plan.UnalignedScratchBytes > plan.ScratchBytes)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  scratch {Size(plan.UnalignedScratchBytes)} where Y or dX starts at no multiple of {ScratchLayout.Alignment} bytes");
        }

        return text.ToString();
    }

    /// <summary>A time with three digits and its unit.</summary>
    public static string Time(double seconds) => seconds switch
    {
        >= 1 => Number(seconds) + " s",
        >= 1e-3 => Number(seconds * 1e3) + " ms",
        _ => Number(seconds * 1e6) + " µs",
    };

    /// <summary>Bytes with their binary unit.</summary>
    public static string Size(double bytes) => bytes switch
    {
        >= 1L << 30 => Number(bytes / (1L << 30)) + " GiB",
        >= 1L << 20 => Number(bytes / (1L << 20)) + " MiB",
        >= 1L << 10 => Number(bytes / (1L << 10)) + " KiB",
        _ => Number(bytes) + " B",
    };

    private static string Given(WeightUpdate update) => update.Stored.IsEmpty
        ? "" : $", given {string.Join(", ", update.Stored.Select(tensor => tensor.Name))} ({Size(update.Stored.Sum(tensor => (double)tensor.Count * tensor.DType.Size()))}, shared)";

    private static string Headline(LayerProblem problem, LayerPlan plan) =>
        $"{(problem.Updates.IsEmpty ? "frozen" : string.Join(" + ", problem.Updates.Select(update => update.Method)))} {problem.OutFeatures}×{problem.InFeatures}, {problem.Tokens} tokens, {problem.DType.Label()}, "
        + (plan.Traits.Kind == DeviceKind.Cuda ? $"cuda sm_{plan.Traits.Architecture}" : $"cpu, {plan.Traits.Processors} thread{(plan.Traits.Processors == 1 ? "" : "s")}")
        + $": {plan.PathName} path";

    private static void Append(
        StringBuilder text, string name, LayerPass pass, double seconds, int? launches, ImmutableArray<string> kernels, DeviceTraits traits)
    {
        string launched = launches is { } count and > 0 ? $", {count} launches" : "";
        text.AppendLine($"{name}: predicted {Time(seconds)}, {Count(pass.Operations)}op, {Size(pass.Bytes)}{launched}");
        for (int i = 0; i < pass.Steps.Length; i++)
        {
            Step step = pass.Steps[i];
            text.Append($"  {i + 1,2}  {Time(CostModel.Seconds(step, traits)),8}  {Count(step.Operations),7}op  {Size(step.Bytes),9}  {step.Label}");
            text.AppendLine(kernels.IsEmpty ? "" : $"  [{kernels[i]}]");
        }
    }

    private static void AppendScratch(StringBuilder text, string name, LayerPass pass)
    {
        string[] places = [.. pass.Buffers.Where(buffer => buffer.Role == BufferRole.Scratch).GroupBy(buffer => buffer.Host).OrderBy(group => group.Key)
            .Select(group => $"{string.Join(", ", group.Select(buffer => $"{buffer.Name} {Size(buffer.ByteCount)}"))} {Place(pass, group.Key)}")];
        if (places.Length > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  {name}: {string.Join("; ", places)}");
        }
    }

    private static string Place(LayerPass pass, int? host) => host is { } slot ? $"in {pass.Buffers[slot].Name} until it is written" : "in the scratch";

    private static string Count(double value) => value switch
    {
        >= 1e12 => Number(value / 1e12) + " T",
        >= 1e9 => Number(value / 1e9) + " G",
        >= 1e6 => Number(value / 1e6) + " M",
        >= 1e3 => Number(value / 1e3) + " k",
        _ => Number(value) + " ",
    };

    // Three digits, and never an exponent: 999.6 stays 1000.
    private static string Number(double value) =>
        value >= 100 ? value.ToString("0", CultureInfo.InvariantCulture) : value.ToString("g3", CultureInfo.InvariantCulture);
}
