namespace TeRA.Kernels.Formats;

/// <summary>Weights that a base keeps inputs first, K×N, turned over on the host.</summary>
internal static class TransposedWeight
{
    // A square of so many elements on each side stays in the nearest cache while it is turned.
    private const int Tile = 64;

    /// <summary>A matrix's transpose, on the host.</summary>
    /// <param name="matrix">On the host, of any dtype.</param>
    public static Tensor Of(Tensor matrix)
    {
        (long rows, long columns) = (matrix.Shape[0], matrix.Shape[1]);
        Tensor turned = CpuDevice.Shared.Allocate(matrix.DType, columns, rows);
        switch (matrix.DType.Size())
        {
            case sizeof(ushort):
                Turn<ushort>(matrix, turned, rows, columns);
                break;
            case sizeof(uint):
                Turn<uint>(matrix, turned, rows, columns);
                break;
            default:
                Turn<ulong>(matrix, turned, rows, columns);
                break;
        }

        return turned;
    }

    private static unsafe void Turn<T>(Tensor matrix, Tensor turned, long rows, long columns) where T : unmanaged
    {
        T* from = (T*)matrix.Address, to = (T*)turned.Address;
        for (long row = 0; row < rows; row += Tile)
        {
            for (long column = 0; column < columns; column += Tile)
            {
                for (long r = row; r < Math.Min(row + Tile, rows); r++)
                {
                    for (long c = column; c < Math.Min(column + Tile, columns); c++)
                    {
                        to[(c * rows) + r] = from[(r * columns) + c];
                    }
                }
            }
        }
    }
}
