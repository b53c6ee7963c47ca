using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>AdamW (Loshchilov, Hutter 2019): decoupled weight decay, bias-corrected moments. One launch updates all parameters of all layers.</summary>
public sealed class AdamW : Optimizer
{
    /// <summary>An optimiser over the parameters of any number of layers of one device.</summary>
    /// <param name="parameters">At least one; all of one dtype.</param>
    /// <param name="learningRate">η.</param>
    /// <param name="beta1">β₁.</param>
    /// <param name="beta2">β₂.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="weightDecay">λ.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is listed twice, or devices or dtypes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public AdamW(
        IEnumerable<Parameter> parameters, float learningRate = 1e-3f, float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f, float weightDecay = 0.01f)
        : base(OptimizerKind.AdamW, parameters, Settings(learningRate, beta1, beta2, epsilon, weightDecay))
    {
    }

    private static OptimizerSettings Settings(float learningRate, float beta1, float beta2, float epsilon, float weightDecay)
    {
        CheckFraction(beta1, nameof(beta1));
        CheckFraction(beta2, nameof(beta2));
        CheckRate(epsilon, nameof(epsilon));
        CheckRate(weightDecay, nameof(weightDecay));
        return new OptimizerSettings
        {
            LearningRate = learningRate, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon, WeightDecay = weightDecay, GradientScale = 1,
        };
    }
}
