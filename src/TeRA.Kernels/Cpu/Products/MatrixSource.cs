namespace TeRA.Kernels.Cpu.Products;

/// <summary>
/// One operand of a product: a matrix of an outer index (rows of A, columns of B) by the depth of the sums, read a line at a time.
/// A line runs along the depth or along the outer index, whichever is contiguous.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal abstract unsafe class MatrixSource<T>(bool alongDepth) where T : unmanaged
{
    /// <summary>True: line j holds the depth's elements of outer index j. False: line k holds the outer elements of depth k.</summary>
    public bool AlongDepth => alongDepth;

    /// <summary>Elements <paramref name="first"/> … of a line: in place, or in <paramref name="buffer"/>. Not to be written to.</summary>
    public abstract T* Line(long line, long first, int count, T* buffer);
}
