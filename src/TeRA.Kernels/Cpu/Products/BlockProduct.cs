using System.Numerics;
using TeRA.Kernels.Cpu.Simd;

namespace TeRA.Kernels.Cpu.Products;

/// <summary>
/// A block of A·B, accumulated in scratch memory: the sums are cut into depth blocks; of each, B's block is packed once and A's in
/// groups of rows, and the register tiles run over them. The block's size does not change any element's bits.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class BlockProduct<T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int DepthBlock = TileEngine<T>.DepthBlock;
    private const int RowGroup = 144;
    private readonly TileEngine<T> engine = TileEngine<T>.Best;
    private readonly PanelPacker<T> packer;

    /// <summary>Prepares for blocks of at most these sizes.</summary>
    public BlockProduct(long maximumRows, long maximumColumns)
    {
        MaximumRows = engine.PaddedRows(maximumRows);
        MaximumColumns = Round(maximumColumns, engine.Columns);
        packer = new PanelPacker<T>(Math.Max(DepthBlock, Math.Max(RowGroup, (int)MaximumColumns)));
    }

    /// <summary>Elements from one row of the result to the next.</summary>
    public long Pitch => MaximumColumns;

    /// <summary>Bytes of scratch memory; the result comes first.</summary>
    public long ScratchBytes => sizeof(T) * ((MaximumRows * Pitch) + (MaximumColumns * DepthBlock) + (RowGroup * DepthBlock) + packer.ScratchLength);

    private long MaximumRows { get; }

    private long MaximumColumns { get; }

    /// <summary>
    /// result[i·Pitch + j] = Σₖ A[firstRow + i, k]·scale[k]·B[k, firstColumn + j], k below <paramref name="depth"/>.
    /// </summary>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="firstColumn">First column.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="depth">Length of the sums.</param>
    /// <param name="scale">Factor along the depth; null for ones.</param>
    /// <param name="scratch">Scratch memory; its start is the result.</param>
    /// <param name="offset">Where A's depth starts in its lines: its element k is A[…, offset + k].</param>
    public void Run(
        MatrixSource<T> a, MatrixSource<T> b, long firstRow, int rows, long firstColumn, int columns, long depth, T* scale, T* scratch, long offset = 0)
    {
        T* packedB = scratch + (MaximumRows * Pitch);
        T* packedA = packedB + (MaximumColumns * DepthBlock);
        T* lines = packedA + (RowGroup * DepthBlock);
        int width = (int)Round(columns, engine.Columns);
        if (depth == 0)
        {
            new Span<T>(scratch, checked((int)(engine.PaddedRows(rows) * Pitch))).Clear();
        }

        for (long k = 0; k < depth; k += DepthBlock)
        {
            int length = (int)Math.Min(DepthBlock, depth - k);
            packer.PackColumns(b, firstColumn, columns, k, length, packedB, lines);
            for (int row = 0; row < rows; row += RowGroup)
            {
                int group = Math.Min(RowGroup, rows - row);
                packer.PackRows(a, firstRow + row, group, offset + k, length, packedA, lines);
                if (scale != null)
                {
                    Scale(packedA, group, length, scale + k);
                }

                Multiply(packedA, packedB, group, width, length, scratch + (row * Pitch), accumulate: k > 0);
            }
        }
    }

    private static long Round(long value, long unit) => (value + unit - 1) / unit * unit;

    private void Multiply(T* packedA, T* packedB, int rows, int width, int depth, T* result, bool accumulate)
    {
        for (int column = 0; column < width; column += engine.Columns)
        {
            T* panel = packedA;
            for (int row = 0; row < rows;)
            {
                int tile = engine.TileRows(rows - row);
                engine.Multiply(tile, depth, panel, packedB + ((long)column * depth), engine.Columns, result + (row * Pitch) + column, (nint)Pitch, 1, 0, accumulate);
                panel += (long)tile * depth;
                row += tile;
            }
        }
    }

    private void Scale(T* panels, int rows, int depth, T* scale)
    {
        for (int row = 0; row < rows;)
        {
            int panel = engine.TileRows(rows - row);
            for (int k = 0; k < depth; k++, panels += panel)
            {
                Vectors.Scale(panels, scale[k], panel);
            }

            row += panel;
        }
    }
}
