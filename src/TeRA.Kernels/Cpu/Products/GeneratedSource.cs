using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Products;

/// <summary>The random core, generated line by line; its rows are the lines.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class GeneratedSource<T>(CoreSource core, bool alongDepth) : MatrixSource<T>(alongDepth) where T : unmanaged
{
    /// <inheritdoc/>
    public override T* Line(long line, long first, int count, T* buffer)
    {
        Storage.Generate(buffer, core.Source, core.Stream, (line * core.S) + first, count);
        return buffer;
    }
}
