namespace TeRA.Kernels.Cpu.Products;

/// <summary>A matrix in memory, of any dtype.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class MemorySource<T>(DType dtype, bool alongDepth, long lineLength) : MatrixSource<T>(alongDepth) where T : unmanaged
{
    /// <summary>Where it is, bound before each run.</summary>
    public nint Address { get; set; }

    /// <inheritdoc/>
    public override T* Line(long line, long first, int count, T* buffer) =>
        Storage.Read(Address, dtype, (line * lineLength) + first, count, buffer);
}
