namespace TeRA.Kernels.Cpu.Products;

/// <summary>A matrix cut into blocks of nearly equal size, numbered row by row of blocks.</summary>
/// <param name="Rows">Rows of the matrix.</param>
/// <param name="Columns">Columns of the matrix.</param>
/// <param name="BlockRows">Rows of a block; the last may have fewer.</param>
/// <param name="BlockColumns">Columns of a block; the last may have fewer.</param>
internal readonly record struct BlockGrid(long Rows, long Columns, int BlockRows, int BlockColumns)
{
    /// <summary>Blocks in a row of blocks.</summary>
    public long Across => (Columns + BlockColumns - 1) / BlockColumns;

    /// <summary>Blocks in a column of blocks.</summary>
    public long Down => (Rows + BlockRows - 1) / BlockRows;

    /// <summary>All blocks.</summary>
    public long Count => Across * Down;

    /// <summary>Cuts so that no block exceeds the limits and, where the matrix is large enough, there are at least <paramref name="parts"/> blocks.</summary>
    public static BlockGrid Cut(long rows, long columns, int rowUnit, int columnUnit, int maximumRows, int maximumColumns, int parts)
    {
        long down = Math.Max(1, (rows + maximumRows - 1) / maximumRows);
        long across = Math.Max(1, (columns + maximumColumns - 1) / maximumColumns);
        while (down * across < parts)
        {
            long height = (rows + down - 1) / down, width = (columns + across - 1) / across;
            if (width >= 2 * columnUnit && (width >= height || height < 2 * rowUnit))
            {
                across++;
            }
            else if (height >= 2 * rowUnit)
            {
                down++;
            }
            else
            {
                break;
            }
        }

        return new BlockGrid(rows, columns, Even(rows, down, rowUnit), Even(columns, across, columnUnit));
    }

    /// <summary>Place and size of a block.</summary>
    public (long Row, int Rows, long Column, int Columns) this[long block]
    {
        get
        {
            long row = block / Across * BlockRows, column = block % Across * BlockColumns;
            return (row, (int)Math.Min(BlockRows, Rows - row), column, (int)Math.Min(BlockColumns, Columns - column));
        }
    }

    private static int Even(long length, long parts, int unit)
    {
        long part = Math.Max(1, (length + parts - 1) / parts);
        return (int)((part + unit - 1) / unit * unit);
    }
}
