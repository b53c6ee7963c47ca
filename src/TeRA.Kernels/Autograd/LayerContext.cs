namespace TeRA.Kernels;

/// <summary>
/// What a forward keeps for its backward. Reusable: the next forward with the same context overwrites it and allocates nothing when the shape is the same.
/// One context serves one forward/backward pair at a time.
/// </summary>
public sealed class LayerContext : IDisposable
{
    /// <summary>Bytes of device memory that it holds.</summary>
    public long ByteCount => throw new NotImplementedException();

    /// <summary>Releases what is kept. Work in flight that uses it must be done.</summary>
    public void Dispose() => throw new NotImplementedException();
}
