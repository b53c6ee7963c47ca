namespace TeRA.Kernels.Cpu.Steps;

/// <summary>A step whose elements are independent: cut into chunks, converted in and out of a thread's buffers where the dtype asks for it.</summary>
internal abstract unsafe class ElementStep : CpuStep
{
    /// <summary>Elements of an item.</summary>
    protected const int Chunk = 4096;

    private readonly long count;

    /// <summary>Fixes the count.</summary>
    /// <param name="pool">Where it runs.</param>
    /// <param name="name">For the description.</param>
    /// <param name="count">Elements.</param>
    /// <param name="buffers">Buffers of a chunk of float64 that an item needs.</param>
    protected ElementStep(WorkerPool pool, string name, long count, int buffers)
        : base(pool, name)
    {
        this.count = count;
        pool.Reserve((long)buffers * Chunk * sizeof(double), 0);
    }

    /// <summary>Computes elements <paramref name="first"/> … of the result.</summary>
    protected abstract void Compute(long first, int length, byte* scratch);

    /// <summary>Runs all chunks.</summary>
    protected void Run() => Pool.Run(this, 0, Parts(count, Chunk));

    /// <summary>The <paramref name="index"/>-th buffer of a chunk.</summary>
    protected static T* Buffer<T>(byte* scratch, int index) where T : unmanaged => (T*)(scratch + ((long)index * Chunk * sizeof(double)));

    /// <inheritdoc/>
    internal sealed override void RunItem(int phase, long item, byte* scratch)
    {
        long first = item * Chunk;
        Compute(first, (int)Math.Min(Chunk, count - first), scratch);
    }
}
