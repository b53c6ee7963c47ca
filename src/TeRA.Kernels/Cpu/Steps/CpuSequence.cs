namespace TeRA.Kernels.Cpu.Steps;

/// <summary>Steps one after the other: what other devices do in one launch.</summary>
/// <param name="pool">Where they run.</param>
/// <param name="steps">At least one.</param>
internal sealed unsafe class CpuSequence(WorkerPool pool, CpuStep[] steps) : CpuStep(pool, string.Join(" + ", steps.Select(step => step.Name)))
{
    /// <summary>Bytes of what they pass on to each other.</summary>
    public long Workspace { get; init; }

    /// <inheritdoc/>
    public override long WorkspaceBytes => Workspace;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        foreach (CpuStep step in steps)
        {
            step.Run(addresses, default);
        }
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch) => throw new InvalidOperationException("The steps hand out their own items.");
}
