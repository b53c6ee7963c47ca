namespace TeRA.Kernels;

/// <summary>AdamW (Loshchilov, Hutter 2019).</summary>
public sealed class AdamW : Optimizer
{
    /// <summary>Over the parameters of any number of layers.</summary>
    public AdamW(IEnumerable<Parameter> parameters, float learningRate = 1e-3f, float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f, float weightDecay = 0.01f) => throw new NotImplementedException();
}
