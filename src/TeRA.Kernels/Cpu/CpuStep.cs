using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu;

/// <summary>A compiled step of the CPU device: binds addresses, then hands items of work to the pool.</summary>
internal abstract unsafe class CpuStep(WorkerPool pool, string name) : CompiledStep
{
    /// <inheritdoc/>
    public sealed override string Description { get; } = $"cpu {name} · {pool.ThreadCount} thread{(pool.ThreadCount == 1 ? "" : "s")}";

    /// <summary>What it does.</summary>
    internal string Name => name;

    /// <summary>Where it runs.</summary>
    protected WorkerPool Pool => pool;

    /// <inheritdoc/>
    public sealed override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        lock (pool.Gate)
        {
            Execute(addresses);
        }
    }

    /// <summary>One item of one phase; called from any thread of the pool, with that thread's scratch memory.</summary>
    internal abstract void RunItem(int phase, long item, byte* scratch);

    /// <summary>Binds the addresses and runs the phases in order.</summary>
    protected abstract void Execute(ReadOnlySpan<nint> addresses);

    /// <summary>⌈<paramref name="value"/> / <paramref name="unit"/>⌉.</summary>
    protected static long Parts(long value, long unit) => (value + unit - 1) / unit;

    /// <summary>The address of an operand that may be absent.</summary>
    protected static nint Optional(ReadOnlySpan<nint> addresses, Operand? operand) => operand is { } present ? addresses[present.Slot] : 0;
}
