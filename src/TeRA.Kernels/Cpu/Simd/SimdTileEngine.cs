namespace TeRA.Kernels.Cpu.Simd;

/// <summary>The register-tiled product kernels for one vector width.</summary>
/// <typeparam name="TSimd">The operations.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class SimdTileEngine<TSimd, TVector, T>(string name, int maximumRows) : TileEngine<T>(name, maximumRows, 2 * TSimd.Count)
    where TSimd : struct, ISimd<TVector, T>
    where TVector : struct
    where T : unmanaged
{
    /// <inheritdoc/>
    public override void Multiply(int rows, long depth, T* a, T* b, nint bStride, T* c, nint cStride, long tiles, nint bTileStep, bool accumulate)
    {
        for (long tile = 0; tile < tiles; tile++, b += bTileStep, c += 2 * TSimd.Count)
        {
            switch (rows)
            {
                case 4:
                    Tile4(depth, a, b, bStride, c, cStride, accumulate);
                    break;
                case 6:
                    Tile6(depth, a, b, bStride, c, cStride, accumulate);
                    break;
                case 8:
                    Tile8(depth, a, b, bStride, c, cStride, accumulate);
                    break;
                default:
                    Tile12(depth, a, b, bStride, c, cStride, accumulate);
                    break;
            }
        }
    }

    private static void Put(TVector left, TVector right, T* c, bool accumulate)
    {
        if (accumulate)
        {
            left = TSimd.Add(TSimd.Load(c), left);
            right = TSimd.Add(TSimd.Load(c + TSimd.Count), right);
        }

        TSimd.Store(left, c);
        TSimd.Store(right, c + TSimd.Count);
    }

    // The accumulators are locals, not an array, so that they stay in registers.
    private static void Tile4(long depth, T* a, T* b, nint bStride, T* c, nint cStride, bool accumulate)
    {
        TVector x0 = TSimd.Zero, y0 = TSimd.Zero;
        TVector x1 = TSimd.Zero, y1 = TSimd.Zero;
        TVector x2 = TSimd.Zero, y2 = TSimd.Zero;
        TVector x3 = TSimd.Zero, y3 = TSimd.Zero;
        for (long k = 0; k < depth; k++, a += 4, b += bStride)
        {
            TVector left = TSimd.Load(b), right = TSimd.Load(b + TSimd.Count);
            TVector value = TSimd.Broadcast(a[0]);
            x0 = TSimd.MultiplyAdd(value, left, x0);
            y0 = TSimd.MultiplyAdd(value, right, y0);
            value = TSimd.Broadcast(a[1]);
            x1 = TSimd.MultiplyAdd(value, left, x1);
            y1 = TSimd.MultiplyAdd(value, right, y1);
            value = TSimd.Broadcast(a[2]);
            x2 = TSimd.MultiplyAdd(value, left, x2);
            y2 = TSimd.MultiplyAdd(value, right, y2);
            value = TSimd.Broadcast(a[3]);
            x3 = TSimd.MultiplyAdd(value, left, x3);
            y3 = TSimd.MultiplyAdd(value, right, y3);
        }

        Put(x0, y0, c, accumulate);
        Put(x1, y1, c + cStride, accumulate);
        Put(x2, y2, c + (2 * cStride), accumulate);
        Put(x3, y3, c + (3 * cStride), accumulate);
    }

    private static void Tile6(long depth, T* a, T* b, nint bStride, T* c, nint cStride, bool accumulate)
    {
        TVector x0 = TSimd.Zero, y0 = TSimd.Zero;
        TVector x1 = TSimd.Zero, y1 = TSimd.Zero;
        TVector x2 = TSimd.Zero, y2 = TSimd.Zero;
        TVector x3 = TSimd.Zero, y3 = TSimd.Zero;
        TVector x4 = TSimd.Zero, y4 = TSimd.Zero;
        TVector x5 = TSimd.Zero, y5 = TSimd.Zero;
        for (long k = 0; k < depth; k++, a += 6, b += bStride)
        {
            TVector left = TSimd.Load(b), right = TSimd.Load(b + TSimd.Count);
            TVector value = TSimd.Broadcast(a[0]);
            x0 = TSimd.MultiplyAdd(value, left, x0);
            y0 = TSimd.MultiplyAdd(value, right, y0);
            value = TSimd.Broadcast(a[1]);
            x1 = TSimd.MultiplyAdd(value, left, x1);
            y1 = TSimd.MultiplyAdd(value, right, y1);
            value = TSimd.Broadcast(a[2]);
            x2 = TSimd.MultiplyAdd(value, left, x2);
            y2 = TSimd.MultiplyAdd(value, right, y2);
            value = TSimd.Broadcast(a[3]);
            x3 = TSimd.MultiplyAdd(value, left, x3);
            y3 = TSimd.MultiplyAdd(value, right, y3);
            value = TSimd.Broadcast(a[4]);
            x4 = TSimd.MultiplyAdd(value, left, x4);
            y4 = TSimd.MultiplyAdd(value, right, y4);
            value = TSimd.Broadcast(a[5]);
            x5 = TSimd.MultiplyAdd(value, left, x5);
            y5 = TSimd.MultiplyAdd(value, right, y5);
        }

        Put(x0, y0, c, accumulate);
        Put(x1, y1, c + cStride, accumulate);
        Put(x2, y2, c + (2 * cStride), accumulate);
        Put(x3, y3, c + (3 * cStride), accumulate);
        Put(x4, y4, c + (4 * cStride), accumulate);
        Put(x5, y5, c + (5 * cStride), accumulate);
    }

    private static void Tile8(long depth, T* a, T* b, nint bStride, T* c, nint cStride, bool accumulate)
    {
        TVector x0 = TSimd.Zero, y0 = TSimd.Zero;
        TVector x1 = TSimd.Zero, y1 = TSimd.Zero;
        TVector x2 = TSimd.Zero, y2 = TSimd.Zero;
        TVector x3 = TSimd.Zero, y3 = TSimd.Zero;
        TVector x4 = TSimd.Zero, y4 = TSimd.Zero;
        TVector x5 = TSimd.Zero, y5 = TSimd.Zero;
        TVector x6 = TSimd.Zero, y6 = TSimd.Zero;
        TVector x7 = TSimd.Zero, y7 = TSimd.Zero;
        for (long k = 0; k < depth; k++, a += 8, b += bStride)
        {
            TVector left = TSimd.Load(b), right = TSimd.Load(b + TSimd.Count);
            TVector value = TSimd.Broadcast(a[0]);
            x0 = TSimd.MultiplyAdd(value, left, x0);
            y0 = TSimd.MultiplyAdd(value, right, y0);
            value = TSimd.Broadcast(a[1]);
            x1 = TSimd.MultiplyAdd(value, left, x1);
            y1 = TSimd.MultiplyAdd(value, right, y1);
            value = TSimd.Broadcast(a[2]);
            x2 = TSimd.MultiplyAdd(value, left, x2);
            y2 = TSimd.MultiplyAdd(value, right, y2);
            value = TSimd.Broadcast(a[3]);
            x3 = TSimd.MultiplyAdd(value, left, x3);
            y3 = TSimd.MultiplyAdd(value, right, y3);
            value = TSimd.Broadcast(a[4]);
            x4 = TSimd.MultiplyAdd(value, left, x4);
            y4 = TSimd.MultiplyAdd(value, right, y4);
            value = TSimd.Broadcast(a[5]);
            x5 = TSimd.MultiplyAdd(value, left, x5);
            y5 = TSimd.MultiplyAdd(value, right, y5);
            value = TSimd.Broadcast(a[6]);
            x6 = TSimd.MultiplyAdd(value, left, x6);
            y6 = TSimd.MultiplyAdd(value, right, y6);
            value = TSimd.Broadcast(a[7]);
            x7 = TSimd.MultiplyAdd(value, left, x7);
            y7 = TSimd.MultiplyAdd(value, right, y7);
        }

        Put(x0, y0, c, accumulate);
        Put(x1, y1, c + cStride, accumulate);
        Put(x2, y2, c + (2 * cStride), accumulate);
        Put(x3, y3, c + (3 * cStride), accumulate);
        Put(x4, y4, c + (4 * cStride), accumulate);
        Put(x5, y5, c + (5 * cStride), accumulate);
        Put(x6, y6, c + (6 * cStride), accumulate);
        Put(x7, y7, c + (7 * cStride), accumulate);
    }

    private static void Tile12(long depth, T* a, T* b, nint bStride, T* c, nint cStride, bool accumulate)
    {
        TVector x0 = TSimd.Zero, y0 = TSimd.Zero;
        TVector x1 = TSimd.Zero, y1 = TSimd.Zero;
        TVector x2 = TSimd.Zero, y2 = TSimd.Zero;
        TVector x3 = TSimd.Zero, y3 = TSimd.Zero;
        TVector x4 = TSimd.Zero, y4 = TSimd.Zero;
        TVector x5 = TSimd.Zero, y5 = TSimd.Zero;
        TVector x6 = TSimd.Zero, y6 = TSimd.Zero;
        TVector x7 = TSimd.Zero, y7 = TSimd.Zero;
        TVector x8 = TSimd.Zero, y8 = TSimd.Zero;
        TVector x9 = TSimd.Zero, y9 = TSimd.Zero;
        TVector x10 = TSimd.Zero, y10 = TSimd.Zero;
        TVector x11 = TSimd.Zero, y11 = TSimd.Zero;
        for (long k = 0; k < depth; k++, a += 12, b += bStride)
        {
            TVector left = TSimd.Load(b), right = TSimd.Load(b + TSimd.Count);
            TVector value = TSimd.Broadcast(a[0]);
            x0 = TSimd.MultiplyAdd(value, left, x0);
            y0 = TSimd.MultiplyAdd(value, right, y0);
            value = TSimd.Broadcast(a[1]);
            x1 = TSimd.MultiplyAdd(value, left, x1);
            y1 = TSimd.MultiplyAdd(value, right, y1);
            value = TSimd.Broadcast(a[2]);
            x2 = TSimd.MultiplyAdd(value, left, x2);
            y2 = TSimd.MultiplyAdd(value, right, y2);
            value = TSimd.Broadcast(a[3]);
            x3 = TSimd.MultiplyAdd(value, left, x3);
            y3 = TSimd.MultiplyAdd(value, right, y3);
            value = TSimd.Broadcast(a[4]);
            x4 = TSimd.MultiplyAdd(value, left, x4);
            y4 = TSimd.MultiplyAdd(value, right, y4);
            value = TSimd.Broadcast(a[5]);
            x5 = TSimd.MultiplyAdd(value, left, x5);
            y5 = TSimd.MultiplyAdd(value, right, y5);
            value = TSimd.Broadcast(a[6]);
            x6 = TSimd.MultiplyAdd(value, left, x6);
            y6 = TSimd.MultiplyAdd(value, right, y6);
            value = TSimd.Broadcast(a[7]);
            x7 = TSimd.MultiplyAdd(value, left, x7);
            y7 = TSimd.MultiplyAdd(value, right, y7);
            value = TSimd.Broadcast(a[8]);
            x8 = TSimd.MultiplyAdd(value, left, x8);
            y8 = TSimd.MultiplyAdd(value, right, y8);
            value = TSimd.Broadcast(a[9]);
            x9 = TSimd.MultiplyAdd(value, left, x9);
            y9 = TSimd.MultiplyAdd(value, right, y9);
            value = TSimd.Broadcast(a[10]);
            x10 = TSimd.MultiplyAdd(value, left, x10);
            y10 = TSimd.MultiplyAdd(value, right, y10);
            value = TSimd.Broadcast(a[11]);
            x11 = TSimd.MultiplyAdd(value, left, x11);
            y11 = TSimd.MultiplyAdd(value, right, y11);
        }

        Put(x0, y0, c, accumulate);
        Put(x1, y1, c + cStride, accumulate);
        Put(x2, y2, c + (2 * cStride), accumulate);
        Put(x3, y3, c + (3 * cStride), accumulate);
        Put(x4, y4, c + (4 * cStride), accumulate);
        Put(x5, y5, c + (5 * cStride), accumulate);
        Put(x6, y6, c + (6 * cStride), accumulate);
        Put(x7, y7, c + (7 * cStride), accumulate);
        Put(x8, y8, c + (8 * cStride), accumulate);
        Put(x9, y9, c + (9 * cStride), accumulate);
        Put(x10, y10, c + (10 * cStride), accumulate);
        Put(x11, y11, c + (11 * cStride), accumulate);
    }
}
