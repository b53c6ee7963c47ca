namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>A dense layer's numbers on the host: weight N×K row-major and bias N.</summary>
internal sealed record LayerWeights(string Name, long OutFeatures, long InFeatures, float[] Weight, float[] Bias)
{
    /// <summary>He's start: normal with variance 2/K from our own generator, so that every machine starts alike; bias zero.</summary>
    public static LayerWeights Random(string name, long outFeatures, long inFeatures, ulong seed)
    {
        var weight = new float[outFeatures * inFeatures];
        RandomFactor.Fill(weight, new RandomSource(seed, Distribution.Normal), stream: 0);
        float scale = (float)Math.Sqrt(2.0 / inFeatures);
        for (int i = 0; i < weight.Length; i++)
        {
            weight[i] *= scale;
        }

        return new LayerWeights(name, outFeatures, inFeatures, weight, new float[outFeatures]);
    }
}
