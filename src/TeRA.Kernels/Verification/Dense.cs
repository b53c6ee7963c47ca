using System.Numerics;

namespace TeRA.Kernels.Verification;

/// <summary>Plain dense matrices, row-major arrays, in float64 (the truth) or float32 (the yardstick). Slow and obvious.</summary>
internal static class Dense
{
    // Rows that share one pass over B; the order of each sum is the same whatever the number.
    private const int RowsTogether = 8;

    /// <summary>C = A·B with A M×K and B K×N, summed over k = 0, 1, … in T.</summary>
    public static T[] Multiply<T>(T[] a, T[] b, long rows, long columns, long length) where T : unmanaged, INumber<T>
    {
        var c = new T[rows * columns];
        Parallel.For(0, (int)((rows + RowsTogether - 1) / RowsTogether), group =>
        {
            long first = group * RowsTogether, end = Math.Min(first + RowsTogether, rows);
            for (long k = 0; k < length; k++)
            {
                ReadOnlySpan<T> row = b.AsSpan((int)(k * columns), (int)columns);
                for (long r = first; r < end; r++)
                {
                    AddScaled(c.AsSpan((int)(r * columns), (int)columns), a[(r * length) + k], row);
                }
            }
        });
        return c;
    }

    /// <summary>The transpose of a rows×columns matrix.</summary>
    public static T[] Transpose<T>(T[] matrix, long rows, long columns)
    {
        var transpose = new T[matrix.Length];
        for (long r = 0; r < rows; r++)
        {
            for (long c = 0; c < columns; c++)
            {
                transpose[(c * rows) + r] = matrix[(r * columns) + c];
            }
        }

        return transpose;
    }

    /// <summary>Column c of a rows×columns matrix times scale[c], in a new array; the matrix itself when there is no scale.</summary>
    public static T[] ScaleColumns<T>(T[] matrix, T[]? scale) where T : INumber<T> =>
        scale is null ? matrix : [.. matrix.Select((element, i) => element * scale[i % scale.Length])];

    /// <summary>
    /// ⊗ₙ Fₙ from the digits of its two multi-indices, the last mode fastest: element (j₁…j_p, r₁…r_p) is Π Fₙ[jₙ, rₙ].
    /// </summary>
    public static T[] Kronecker<T>(IReadOnlyList<T[]> factors, IReadOnlyList<long> features, IReadOnlyList<long> ranks) where T : INumber<T>
    {
        long rows = features.Aggregate(1L, (product, length) => product * length);
        long columns = ranks.Aggregate(1L, (product, length) => product * length);
        var matrix = new T[rows * columns];
        for (long row = 0; row < rows; row++)
        {
            for (long column = 0; column < columns; column++)
            {
                T product = T.One;
                for (int n = 0; n < factors.Count; n++)
                {
                    product *= factors[n][(Digit(features, row, n) * ranks[n]) + Digit(ranks, column, n)];
                }

                matrix[(row * columns) + column] = product;
            }
        }

        return matrix;
    }

    /// <summary>The n-th of the mode indices that a flat index stands for.</summary>
    public static long Digit(IReadOnlyList<long> lengths, long index, int n)
    {
        for (int m = lengths.Count - 1; m > n; m--)
        {
            index /= lengths[m];
        }

        return index % lengths[n];
    }

    private static void AddScaled<T>(Span<T> sums, T factor, ReadOnlySpan<T> row) where T : unmanaged, INumber<T>
    {
        int i = 0;
        for (; i <= sums.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            (new Vector<T>(sums[i..]) + (new Vector<T>(row[i..]) * factor)).CopyTo(sums[i..]);
        }

        for (; i < sums.Length; i++)
        {
            sums[i] += factor * row[i];
        }
    }
}
