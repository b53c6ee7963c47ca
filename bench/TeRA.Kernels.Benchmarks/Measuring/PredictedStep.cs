using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>A step as it was measured alone, beside what the planner predicts.</summary>
/// <param name="Measured">The row.</param>
/// <param name="Us">Predicted.</param>
internal sealed record PredictedStep(StepRow Measured, double Us);
