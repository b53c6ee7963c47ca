using System.Runtime.Intrinsics;

namespace TeRA.Kernels.Cpu.Simd;

/// <summary>
/// The innermost product: a few rows by <see cref="Columns"/> columns in registers. Each element of the result is one chain of
/// multiply-adds in the order of the depth, whatever its place in a tile, so that results don't depend on how work is cut.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal abstract unsafe class TileEngine<T>(string name, int maximumRows, int columns) where T : unmanaged
{
    /// <summary>Longest chain of multiply-adds; longer sums are blocked, which is quicker and more accurate.</summary>
    public const int DepthBlock = 256;

    /// <summary>The engine for this processor.</summary>
    public static TileEngine<T> Best { get; } =
        Vector512.IsHardwareAccelerated ? new SimdTileEngine<Simd512<T>, Vector512<T>, T>("avx512", 12)
        : Vector256.IsHardwareAccelerated ? new SimdTileEngine<Simd256<T>, Vector256<T>, T>("avx2", 6)
        : new SimdTileEngine<Simd128<T>, Vector128<T>, T>(Vector128.IsHardwareAccelerated ? "vector128" : "scalar", 6);

    /// <summary>Rows, columns and vectors, for descriptions.</summary>
    public string Name { get; } = $"{maximumRows}x{columns} {name}";

    /// <summary>Rows of a full tile.</summary>
    public int MaximumRows => maximumRows;

    /// <summary>Columns of every tile.</summary>
    public int Columns => columns;

    /// <summary>Rows of the tile for what is left: the rows past the end are computed and ignored.</summary>
    public int TileRows(long left) => left >= maximumRows ? maximumRows : left <= 4 ? 4 : left <= 8 && maximumRows > 8 ? 8 : maximumRows;

    /// <summary><paramref name="rows"/> with the ignored rows of the last tile.</summary>
    public long PaddedRows(long rows)
    {
        long last = rows % maximumRows;
        return last == 0 ? rows : rows - last + TileRows(last);
    }

    /// <summary>
    /// For each of <paramref name="tiles"/> tiles: C (rows × columns, row stride cStride) = or += A·B. A is a packed panel, depth by
    /// rows; B has rows of a tile's columns at bStride. The next tile is bTileStep further in B, and a tile's columns further in C.
    /// </summary>
    public abstract void Multiply(int rows, long depth, T* a, T* b, nint bStride, T* c, nint cStride, long tiles, nint bTileStep, bool accumulate);
}
