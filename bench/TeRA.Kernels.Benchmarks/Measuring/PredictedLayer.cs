using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>A layer as it was measured, beside what today's planner predicts for the same paths and policy.</summary>
/// <param name="Measured">The row.</param>
/// <param name="Plan">Today's plan by the row's paths.</param>
/// <param name="Choice">What the planner takes today.</param>
/// <param name="Frozen">The frozen layer's plan, by our products; it was measured with cuBLASLt's, which are as fast.</param>
internal sealed record PredictedLayer(LayerRow Measured, LayerPlan Plan, string Choice, LayerPlan Frozen)
{
    /// <summary>Predicted ratio to the frozen forward.</summary>
    public double Forward => Plan.ForwardSeconds / Frozen.ForwardSeconds;

    /// <summary>Predicted ratio to the frozen step.</summary>
    public double Step => Plan.Seconds / Frozen.Seconds;

    /// <summary>How far the predicted ratio is from the measured one, as a share of it.</summary>
    public double ForwardError => (Forward / Measured.Forward) - 1;

    /// <summary>The same for the step.</summary>
    public double StepError => (Step / Measured.Step) - 1;
}
