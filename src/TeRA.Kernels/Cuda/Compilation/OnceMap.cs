using System.Collections.Concurrent;

namespace TeRA.Kernels.Cuda;

/// <summary>A map whose values are made once each, side by side for different keys. A failure is not kept: the next call tries again.</summary>
internal sealed class OnceMap<TKey, TValue>
    where TKey : notnull
    where TValue : class
{
    private readonly ConcurrentDictionary<TKey, Entry> entries = new();

    /// <summary>The value of <paramref name="key"/>; made by the first caller, while others that want the same one wait.</summary>
    public TValue GetOrCreate(TKey key, Func<TKey, TValue> create)
    {
        Entry entry = entries.GetOrAdd(key, static _ => new Entry());
        if (Volatile.Read(ref entry.Value) is { } known)
        {
            return known;
        }

        lock (entry.Gate)
        {
            TValue value = entry.Value ?? create(key);
            Volatile.Write(ref entry.Value, value);
            return value;
        }
    }

    private sealed class Entry
    {
        public readonly Lock Gate = new();
        public TValue? Value;
    }
}
