namespace TeRA.Kernels.Steps;

/// <summary>
/// One operation of a plan, as data: operands are slots, sizes are fixed. A device compiles it once and runs it often.
/// The CPU and the CUDA device implement the same list of steps; nothing above them knows which one runs.
/// A step of which a dimension is zero runs as a no-op, except that overwritten outputs get the value the formula gives
/// (an empty sum is zero). Overwritten outputs are never read.
/// </summary>
internal abstract record Step
{
    /// <summary>What <c>Explain()</c> calls it, for example <c>Y = X·Wᵀ + b</c>.</summary>
    public required string Label { get; init; }

    /// <summary>Multiplications and additions, each counted as one.</summary>
    public abstract double Operations { get; }

    /// <summary>Fewest bytes through memory: every input read once, every output written once.</summary>
    public abstract double Bytes { get; }

    /// <summary>The slot whose memory is the step's own workspace, of at least <see cref="CompiledStep.WorkspaceBytes"/>.</summary>
    public const int WorkspaceSlot = 0;
}

/// <summary>A step made ready for one device. Running it allocates nothing, managed or native, and does not synchronise.</summary>
internal abstract class CompiledStep
{
    /// <summary>Bytes that <see cref="Step.WorkspaceSlot"/> must offer while it runs.</summary>
    public virtual long WorkspaceBytes => 0;

    /// <summary>Kernels launched by one run; 0 on the CPU.</summary>
    public virtual int Launches => 0;

    /// <summary>What runs: kernel names with their configuration, for <c>Explain()</c> and for tests that assert which kernel ran.</summary>
    public abstract string Description { get; }

    /// <summary>Submits the work.</summary>
    /// <param name="addresses">The address of every slot; absent optional operands have no slot.</param>
    /// <param name="stream">Where to.</param>
    public abstract void Run(ReadOnlySpan<nint> addresses, StreamHandle stream);
}
