using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>A list of steps with the table of what their slots mean: one forward, one backward, or one build of a weight.</summary>
/// <param name="Steps">In order.</param>
/// <param name="Buffers">Entry i describes slot i; slot 0 is the steps' workspace.</param>
/// <param name="ScratchBytes">Bytes of the shared scratch, workspace not counted.</param>
internal sealed record LayerPass(ImmutableArray<Step> Steps, ImmutableArray<PlanBuffer> Buffers, long ScratchBytes)
{
    /// <summary>Nothing to do.</summary>
    public static LayerPass Empty { get; } = new([], [new PlanBuffer(Step.WorkspaceSlot, "workspace", DType.Float32, 0, BufferRole.Workspace)], 0);

    /// <summary>
    /// The same steps for an output that starts at no multiple of 256 bytes, where its memory then holds less scratch; null where this pass does for any output.
    /// </summary>
    public LayerPass? Unaligned { get; init; }

    /// <summary>Bytes of scratch for an output that starts anywhere.</summary>
    public long UnalignedScratchBytes => (Unaligned ?? this).ScratchBytes;

    /// <summary>Multiplications and additions of all steps.</summary>
    public double Operations => Steps.Sum(step => step.Operations);

    /// <summary>Fewest bytes through memory of all steps.</summary>
    public double Bytes => Steps.Sum(step => step.Bytes);
}
