using System.Runtime.ExceptionServices;

namespace TeRA.Kernels.Cpu;

/// <summary>
/// The device's threads and their scratch memory. One step runs at a time (<see cref="Gate"/>); its items are handed out one by
/// one to the calling thread and the workers. An item's result must not depend on which thread runs it, so results don't depend
/// on the number of threads. Running allocates nothing: a step is its own description of the work.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private readonly Thread[] threads;
    private readonly SemaphoreSlim wake = new(0);
    private readonly NativeMemoryHandle[] scratch;
    private NativeMemoryHandle shared = new(0);
    private long scratchBytes;
    private long sharedBytes;
    private CpuStep? step;
    private int phase;
    private long items;
    private long next;
    private int running;
    private Exception? failure;
    private volatile bool disposed;

    /// <summary>Starts <paramref name="threadCount"/> − 1 background threads; the caller of a step is the other one.</summary>
    public WorkerPool(int threadCount)
    {
        scratch = new NativeMemoryHandle[threadCount];
        for (int i = 0; i < threadCount; i++)
        {
            scratch[i] = new NativeMemoryHandle(0);
        }

        threads = new Thread[threadCount - 1];
        for (int i = 0; i < threads.Length; i++)
        {
            int worker = i + 1;
            threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"TeRA cpu {worker}" };
            threads[i].Start();
        }
    }

    /// <summary>Held while a step runs and while scratch memory grows.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Threads that work on a step, the caller's included.</summary>
    public int ThreadCount => scratch.Length;

    /// <summary>Memory of at least the reserved size that all items of a step share.</summary>
    public byte* Shared => shared.Pointer;

    /// <summary>Makes sure, when a step is compiled, that running it finds enough scratch memory.</summary>
    public void Reserve(long bytesPerThread, long bytesShared)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(disposed, typeof(CpuDevice));
            if (bytesPerThread > scratchBytes)
            {
                for (int i = 0; i < scratch.Length; i++)
                {
                    Replace(ref scratch[i], bytesPerThread);
                }

                scratchBytes = bytesPerThread;
            }

            if (bytesShared > sharedBytes)
            {
                Replace(ref shared, bytesShared);
                sharedBytes = bytesShared;
            }
        }
    }

    /// <summary>Runs items 0 … <paramref name="count"/> − 1 of one phase of a step and returns when all are done. The caller holds the gate.</summary>
    public void Run(CpuStep work, int workPhase, long count)
    {
        ObjectDisposedException.ThrowIf(disposed, typeof(CpuDevice));
        int helpers = (int)Math.Min(threads.Length, count - 1);
        if (helpers <= 0)
        {
            for (long i = 0; i < count; i++)
            {
                work.RunItem(workPhase, i, scratch[0].Pointer);
            }

            return;
        }

        step = work;
        phase = workPhase;
        items = count;
        next = 0;
        failure = null;
        Volatile.Write(ref running, helpers);
        wake.Release(helpers);
        Drain(0);
        // Nothing is left to do: workers that have not woken up yet need not.
        while (wake.Wait(0))
        {
            Interlocked.Decrement(ref running);
        }

        var spin = new SpinWait();
        while (Volatile.Read(ref running) > 0)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (Gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
        }

        if (threads.Length > 0)
        {
            wake.Release(threads.Length);
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        foreach (NativeMemoryHandle memory in scratch)
        {
            memory.Dispose();
        }

        shared.Dispose();
        wake.Dispose();
    }

    private static void Replace(ref NativeMemoryHandle memory, long bytes)
    {
        var larger = new NativeMemoryHandle(bytes);
        memory.Dispose();
        memory = larger;
    }

    private void Work(int worker)
    {
        while (true)
        {
            wake.Wait();
            if (disposed)
            {
                return;
            }

            Drain(worker);
            Interlocked.Decrement(ref running);
        }
    }

    private void Drain(int worker)
    {
        try
        {
            for (long item; (item = Interlocked.Increment(ref next) - 1) < items;)
            {
                step!.RunItem(phase, item, scratch[worker].Pointer);
            }
        }
        catch (Exception exception) when (Keep(exception))
        {
            Interlocked.Exchange(ref next, items);
        }
    }

    /// <summary>The first failure is the one that the caller sees; a worker must survive it.</summary>
    private bool Keep(Exception exception)
    {
        Interlocked.CompareExchange(ref failure, exception, null);
        return true;
    }
}
