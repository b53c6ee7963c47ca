namespace TeRA.Kernels.Formats;

/// <summary>
/// RandLoRA's bases as PEFT draws them from the CPU generator seeded with <c>projection_prng_key</c>: dense ones uniform in 16 bits,
/// sparse ones ternary from float32 draws, each divided by its own standard deviation.
/// </summary>
/// <param name="Rank">r.</param>
/// <param name="Longest">M, the largest feature count of all targets.</param>
/// <param name="Shortest">m, the smaller of the largest output and the largest input feature count.</param>
internal readonly record struct RandLoraProjection(long Rank, long Longest, long Shortest)
{
    /// <summary>The sizes for targets whose largest output and input feature counts are these.</summary>
    public static RandLoraProjection For(long rank, LayerSize largest) =>
        new(rank, Math.Max(largest.OutFeatures, largest.InFeatures), Math.Min(largest.OutFeatures, largest.InFeatures));

    /// <summary>n = ⌈m/r⌉.</summary>
    public long Bases => (Shortest + Rank - 1) / Rank;

    /// <summary>Dense bases. PEFT draws them in bfloat16, or in float16 on machines that it thinks have no bfloat16.</summary>
    public Projection Dense(uint key, DType drawn)
    {
        var generator = new MersenneTwister(key);
        HostTensor a = HostTensor.Zeros(Rank, 1, Shortest), b = HostTensor.Zeros(Longest, Bases, Rank);
        TorchUniform.Fill(generator, a.Values, -1 / Math.Sqrt(Shortest), 1 / Math.Sqrt(Shortest), drawn);
        DrawChunks(generator, b.Values, drawn);
        Normalize(a.Values, drawn);
        Normalize(b.Values, drawn);
        return new Projection(a, b);
    }

    /// <summary>Ternary bases with P(±1) = 1/(2s); s = 3, or √m for very sparse ones.</summary>
    public Projection Sparse(uint key, bool very)
    {
        double sparsity = very ? Math.Sqrt(Shortest) : 3;
        var generator = new MersenneTwister(key);
        HostTensor a = HostTensor.Zeros(Rank, 1, Shortest), b = HostTensor.Zeros(Longest, Bases, Rank);
        DrawTernary(generator, a.Values, sparsity);
        DrawTernary(generator, b.Values, sparsity);
        Normalize(a.Values, DType.Float32);
        Normalize(b.Values, DType.Float32);
        return new Projection(a, b);
    }

    /// <summary>n pieces [M, 1, r], one after the other, joined on the middle axis.</summary>
    private void DrawChunks(MersenneTwister generator, float[] values, DType drawn)
    {
        int rank = (int)Rank, bases = (int)Bases;
        double bound = 1 / Math.Sqrt(Rank);
        for (int chunk = 0; chunk < bases; chunk++)
        {
            for (int row = 0; row < Longest; row++)
            {
                TorchUniform.Fill(generator, values.AsSpan(((row * bases) + chunk) * rank, rank), -bound, bound, drawn);
            }
        }
    }

    private static void DrawTernary(MersenneTwister generator, float[] values, double sparsity)
    {
        // PyTorch compares in the tensor's dtype, so both thresholds are float32.
        float low = (float)(1 / (2 * sparsity)), high = (float)(1 - (1 / (2 * sparsity)));
        TorchUniform.Fill(generator, values, 0, 1, DType.Float32);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = values[i] < low ? -1 : values[i] > high ? 1 : 0;
        }
    }

    /// <summary>Divides by the unbiased standard deviation, in the dtype.</summary>
    private static void Normalize(float[] values, DType dtype)
    {
        double mean = 0, squares = 0;
        foreach (float value in values)
        {
            mean += value;
        }

        mean /= values.Length;
        foreach (float value in values)
        {
            squares += (value - mean) * (value - mean);
        }

        float deviation = TorchUniform.Round((float)Math.Sqrt(squares / (values.Length - 1)), dtype);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = TorchUniform.Round(values[i] / deviation, dtype);
        }
    }
}
