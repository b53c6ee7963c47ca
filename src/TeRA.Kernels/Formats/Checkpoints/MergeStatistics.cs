namespace TeRA.Kernels.Formats;

/// <summary>Compares a merged weight with what it should be, a piece at a time.</summary>
internal static class MergeStatistics
{
    private const int Piece = 1 << 20;

    /// <param name="module">The module's name.</param>
    /// <param name="before">W0.</param>
    /// <param name="after">The merged weight, the same dtype.</param>
    /// <param name="delta">α·ΔW, in float32 or float64.</param>
    public static MergedLayer Compare(string module, Tensor before, Tensor after, Tensor delta)
    {
        long changed = 0;
        double largestDelta = 0, largestRounding = 0, roundings = 0, deltas = 0;
        for (long first = 0; first < before.ElementCount; first += Piece)
        {
            long count = Math.Min(Piece, before.ElementCount - first);
            double[] old = Read(before, first, count), now = Read(after, first, count), change = Read(delta, first, count);
            for (int i = 0; i < old.Length; i++)
            {
                double rounding = now[i] - (old[i] + change[i]);
                changed += now[i] != old[i] ? 1 : 0;
                largestDelta = Math.Max(largestDelta, Math.Abs(change[i]));
                largestRounding = Math.Max(largestRounding, Math.Abs(rounding));
                roundings += rounding * rounding;
                deltas += change[i] * change[i];
            }
        }

        double relative = deltas == 0 ? 0 : Math.Sqrt(roundings / deltas);
        return new MergedLayer(module, new LayerSize(before.Shape[0], before.Shape[1]), before.DType, changed, largestDelta, largestRounding, relative);
    }

    private static double[] Read(Tensor tensor, long first, long count)
    {
        Tensor piece = tensor.Slice(first, count);
        return tensor.DType switch
        {
            DType.Float64 => piece.ToArray<double>(),
            DType.Float32 => Array.ConvertAll(piece.ToArray<float>(), value => (double)value),
            DType.BFloat16 => Array.ConvertAll(piece.ToArray<BFloat16>(), value => (double)(float)value),
            _ => Array.ConvertAll(piece.ToArray<Half>(), value => (double)value),
        };
    }
}
