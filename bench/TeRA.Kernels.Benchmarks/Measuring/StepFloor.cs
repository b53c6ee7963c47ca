using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>The least time of a step: its bytes through memory, or the operations of a product on the tensor cores.</summary>
internal static class StepFloor
{
    /// <summary>Seconds, by the rates that the planner knows of the card.</summary>
    public static double Seconds(Step step, DeviceTraits traits) =>
        Math.Max(step.Bytes / traits.BytesPerSecond, step is MatrixProductStep or CoreProjectionStep ? step.Operations / traits.HalfOperationsPerSecond : 0);
}
