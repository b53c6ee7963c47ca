namespace TeRA.Kernels.Cuda;

/// <summary>Grids of the kernels that walk over elements: their results do not depend on the number of blocks.</summary>
internal static class ElementGrid
{
    /// <summary>Threads of every block of these kernels.</summary>
    public const int Threads = 256;

    private const int Warp = 32;

    /// <summary>The element types that these kernels are compiled for.</summary>
    public static readonly DType[] DTypes = [DType.Float32, DType.BFloat16, DType.Float16];

    /// <summary>Enough blocks for all units of work, but no more than the device runs at once; none for no work.</summary>
    /// <param name="device">Where the kernel runs.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="units">Quads, warps or whatever the kernel strides over.</param>
    /// <param name="perBlock">Units that a block takes at a time.</param>
    public static uint Blocks(CudaDevice device, CudaKernel kernel, long units, int perBlock)
    {
        long resident = (long)device.Traits.Processors * Math.Max(1, kernel.MaxBlocksPerProcessor(Threads, 0));
        return (uint)Math.Min(DivideUp(units, perBlock), resident);
    }

    /// <summary>Blocks of a kernel whose threads take four elements each.</summary>
    public static uint QuadBlocks(CudaDevice device, CudaKernel kernel, long count) => Blocks(device, kernel, DivideUp(count, 4), Threads);

    /// <summary>Cuts rows of a matrix into tiles of about the same number of columns.</summary>
    /// <param name="columns">At least one.</param>
    /// <param name="perThread">Columns of a thread.</param>
    /// <param name="about">How many tiles; rounding up to whole warps may leave fewer.</param>
    /// <returns>Threads along a row, a multiple of a warp's, and the tiles.</returns>
    public static (int Width, long Tiles) RowTiles(long columns, int perThread, long about)
    {
        int width = (int)DivideUp(DivideUp(columns, about), perThread * Warp) * Warp;
        return (width, DivideUp(columns, perThread * width));
    }

    /// <summary>⌈value/unit⌉.</summary>
    public static long DivideUp(long value, long unit) => (value / unit) + (value % unit == 0 ? 0 : 1);
}
