namespace TeRA.Kernels.Formats;

/// <summary>VeRA's bases as PEFT draws them: A, then B, Kaiming-uniform in float32, from the CPU generator seeded with <c>projection_prng_key</c>.</summary>
internal static class VeraProjection
{
    public static Projection Generate(uint key, long rank, LayerSize largest)
    {
        var generator = new MersenneTwister(key);
        return new Projection(
            Draw(generator, rank, largest.InFeatures),
            Draw(generator, largest.OutFeatures, rank));
    }

    private static HostTensor Draw(MersenneTwister generator, long rows, long columns)
    {
        HostTensor drawn = HostTensor.Zeros(rows, columns);
        double bound = Math.Sqrt(6.0 / columns);
        TorchUniform.Fill(generator, drawn.Values, -bound, bound, DType.Float32);
        return drawn;
    }
}
