namespace TeRA.Kernels;

/// <summary>Stochastic gradient descent, with momentum.</summary>
public sealed class Sgd : Optimizer
{
    /// <summary>Over the parameters of any number of layers.</summary>
    public Sgd(IEnumerable<Parameter> parameters, float learningRate, float momentum = 0, float weightDecay = 0) => throw new NotImplementedException();
}
