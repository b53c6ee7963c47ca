using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Steps that a plan has as one, one after the other.</summary>
/// <param name="steps">At least one. None reads another one's workspace.</param>
internal sealed class SequenceLauncher(params CompiledStep[] steps) : CompiledStep
{
    /// <inheritdoc/>
    public override long WorkspaceBytes => steps.Max(step => step.WorkspaceBytes);

    /// <inheritdoc/>
    public override int Launches => steps.Sum(step => step.Launches);

    /// <inheritdoc/>
    public override string Description => string.Join(" + ", steps.Select(step => step.Description));

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        foreach (CompiledStep step in steps)
        {
            step.Run(addresses, stream);
        }
    }
}
