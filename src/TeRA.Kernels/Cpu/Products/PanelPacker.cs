using TeRA.Kernels.Cpu.Simd;

namespace TeRA.Kernels.Cpu.Products;

/// <summary>Brings blocks of a matrix into the order in which the register tiles read them, converting and transposing on the way.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class PanelPacker<T>(int lineLength) where T : unmanaged
{
    private readonly TileEngine<T> engine = TileEngine<T>.Best;

    /// <summary>Elements of scratch memory for lines, of at most the length given.</summary>
    public long ScratchLength => 5L * lineLength;

    /// <summary>B's block: panels of a tile's columns, depth by columns each.</summary>
    public void PackColumns(MatrixSource<T> source, long first, int count, long k, int depth, T* destination, T* lines)
    {
        int panel = engine.Columns;
        if (!source.AlongDepth)
        {
            PackAcross(source, first, count, k, depth, panel, panel, destination, lines);
            return;
        }

        for (int column = 0; column < count; column += panel, destination += (long)panel * depth)
        {
            PackAlong(source, first + column, Math.Min(panel, count - column), panel, k, depth, destination, lines);
        }
    }

    /// <summary>A's block: panels of a tile's rows, depth by rows each; the last may be a smaller tile.</summary>
    public void PackRows(MatrixSource<T> source, long first, int count, long k, int depth, T* destination, T* lines)
    {
        if (!source.AlongDepth)
        {
            PackAcross(source, first, count, k, depth, engine.MaximumRows, engine.TileRows(Remainder(count)), destination, lines);
            return;
        }

        for (int row = 0; row < count;)
        {
            int panel = engine.TileRows(count - row);
            PackAlong(source, first + row, Math.Min(panel, count - row), panel, k, depth, destination, lines);
            row += panel;
            destination += (long)panel * depth;
        }
    }

    private int Remainder(int count) => count % engine.MaximumRows == 0 ? engine.MaximumRows : count % engine.MaximumRows;

    /// <summary>One panel of <paramref name="panel"/> lines, of which <paramref name="count"/> exist; the others are zero.</summary>
    private void PackAlong(MatrixSource<T> source, long first, int count, int panel, long k, int depth, T* destination, T* lines)
    {
        T* zeros = lines + (4L * lineLength);
        if (count < panel)
        {
            new Span<T>(zeros, depth).Clear();
        }

        int line = 0;
        for (; line <= panel - 4; line += 4)
        {
            Transposition.Interleave(
                Read(source, first, line, count, k, depth, lines, zeros),
                Read(source, first, line + 1, count, k, depth, lines + lineLength, zeros),
                Read(source, first, line + 2, count, k, depth, lines + (2L * lineLength), zeros),
                Read(source, first, line + 3, count, k, depth, lines + (3L * lineLength), zeros),
                depth,
                destination + line,
                panel);
        }

        for (; line < panel; line++)
        {
            T* values = Read(source, first, line, count, k, depth, lines, zeros);
            for (int i = 0; i < depth; i++)
            {
                destination[((long)i * panel) + line] = values[i];
            }
        }
    }

    private static T* Read(MatrixSource<T> source, long first, int line, int count, long k, int depth, T* buffer, T* zeros) =>
        line < count ? source.Line(first + line, k, depth, buffer) : zeros;

    /// <summary>All panels at once, one depth after the other; the last panel may be narrower and is filled up with zeros.</summary>
    private static void PackAcross(
        MatrixSource<T> source, long first, int count, long k, int depth, int panel, int lastPanel, T* destination, T* lines)
    {
        int full = (count - 1) / panel;
        int rest = count - (full * panel);
        T* last = destination + ((long)full * panel * depth);
        for (int i = 0; i < depth; i++)
        {
            T* line = source.Line(k + i, first, count, lines);
            T* target = destination + ((long)i * panel);
            for (int p = 0; p < full; p++, line += panel, target += (long)panel * depth)
            {
                new ReadOnlySpan<T>(line, panel).CopyTo(new Span<T>(target, panel));
            }

            new ReadOnlySpan<T>(line, rest).CopyTo(new Span<T>(last + ((long)i * lastPanel), rest));
            new Span<T>(last + ((long)i * lastPanel) + rest, lastPanel - rest).Clear();
        }
    }
}
