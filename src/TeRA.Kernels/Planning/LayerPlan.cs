using System.Collections.Immutable;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>What runs for one layer and one number of tokens: steps, buffers, predicted costs and the reasons of the choice.</summary>
public sealed record LayerPlan
{
    internal LayerPlan(
        LayerProblem problem, LayerPaths paths, LayerPass forward, LayerPass backward, ImmutableArray<PlanBuffer> kept, long keptBytes, DeviceTraits traits)
    {
        Problem = problem;
        Path = paths.Forward;
        BackwardPath = paths.Backward;
        Forward = forward;
        Backward = backward;
        Kept = kept;
        KeptBytes = keptBytes;
        Traits = traits;
        ForwardSeconds = CostModel.Seconds(forward, traits);
        BackwardSeconds = CostModel.Seconds(backward, traits);
    }

    /// <summary>The question.</summary>
    public LayerProblem Problem { get; }

    /// <summary>The path that forward takes.</summary>
    public ExecutionPath Path { get; }

    /// <summary>The path that backward takes; where the planner chooses, it may be the other one.</summary>
    public ExecutionPath BackwardPath { get; }

    /// <summary>Both paths in a word or two: <c>merged</c>, or <c>merged+factored</c> where backward takes the other one.</summary>
    public string PathName => new LayerPaths(Path, BackwardPath).ToString();

    /// <summary>Why these paths, and why not the others, in words.</summary>
    public ImmutableArray<string> Reasons { get; init; } = [];

    /// <summary>Predicted seconds of forward.</summary>
    public double ForwardSeconds { get; }

    /// <summary>Predicted seconds of backward.</summary>
    public double BackwardSeconds { get; }

    /// <summary>Predicted seconds of both.</summary>
    public double Seconds => ForwardSeconds + BackwardSeconds;

    /// <summary>Multiplications and additions of forward and backward.</summary>
    public double Operations => Forward.Operations + Backward.Operations;

    /// <summary>Fewest bytes through memory of forward and backward.</summary>
    public double Bytes => Forward.Bytes + Backward.Bytes;

    /// <summary>Bytes of scratch that this plan needs and that all layers of a device and stream share; with the steps' workspace once compiled.</summary>
    public long ScratchBytes => Math.Max(Forward.ScratchBytes, Backward.ScratchBytes) + WorkspaceBytes;

    /// <summary>
    /// As <see cref="ScratchBytes"/>, for Y and dX that start at no multiple of 256 bytes. It is more only where they have just the room that scratch takes in their
    /// memory before they are written.
    /// </summary>
    public long UnalignedScratchBytes => Math.Max(Forward.UnalignedScratchBytes, Backward.UnalignedScratchBytes) + WorkspaceBytes;

    /// <summary>Bytes that each context of this layer holds from forward to backward.</summary>
    public long KeptBytes { get; }

    /// <summary>What the contexts hold.</summary>
    public ImmutableArray<PlanBuffer> Kept { get; }

    /// <summary>The forward pass's address table, by slot.</summary>
    public ImmutableArray<PlanBuffer> ForwardBuffers => Forward.Buffers;

    /// <summary>The backward pass's address table, by slot.</summary>
    public ImmutableArray<PlanBuffer> BackwardBuffers => Backward.Buffers;

    /// <summary>Kernel launches of forward; null before a device compiled the plan, 0 on the CPU.</summary>
    public int? ForwardLaunches { get; init; }

    /// <summary>Kernel launches of backward; null before a device compiled the plan, 0 on the CPU.</summary>
    public int? BackwardLaunches { get; init; }

    /// <summary>What runs for each forward step; empty before a device compiled the plan.</summary>
    public ImmutableArray<string> ForwardKernels { get; init; } = [];

    /// <summary>What runs for each backward step; empty before a device compiled the plan.</summary>
    public ImmutableArray<string> BackwardKernels { get; init; } = [];

    /// <summary>Largest workspace of a step; 0 before a device compiled the plan.</summary>
    public long WorkspaceBytes { get; init; }

    internal LayerPass Forward { get; }

    internal LayerPass Backward { get; }

    internal DeviceTraits Traits { get; }

    /// <summary>The plan in words: path, reasons, every step with its predicted time, memory.</summary>
    public string Explain() => PlanText.Of(this);

    internal IEnumerable<(string Label, double Seconds)> StepTimes() =>
        Forward.Steps.Concat(Backward.Steps).Select((Step step) => (step.Label, CostModel.Seconds(step, Traits)));
}
