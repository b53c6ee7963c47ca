using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>Stochastic gradient descent: v ← µ·v + g + λ·w, w ← w − η·v. One launch updates all parameters of all layers.</summary>
public sealed class Sgd : Optimizer
{
    /// <summary>An optimiser over the parameters of any number of layers of one device.</summary>
    /// <param name="parameters">At least one; all of one dtype.</param>
    /// <param name="learningRate">η.</param>
    /// <param name="momentum">µ.</param>
    /// <param name="weightDecay">λ.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is listed twice, or devices or dtypes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Sgd(IEnumerable<Parameter> parameters, float learningRate, float momentum = 0, float weightDecay = 0)
        : base(OptimizerKind.Sgd, parameters, Settings(learningRate, momentum, weightDecay))
    {
    }

    private static OptimizerSettings Settings(float learningRate, float momentum, float weightDecay)
    {
        CheckFraction(momentum, nameof(momentum));
        CheckRate(weightDecay, nameof(weightDecay));
        return new OptimizerSettings { LearningRate = learningRate, Beta1 = momentum, WeightDecay = weightDecay, GradientScale = 1 };
    }
}
