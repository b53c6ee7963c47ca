using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu;

/// <summary>The update rules with one step's numbers; what does not depend on the element is computed once, in float64.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal readonly unsafe struct OptimizerRule<T>(OptimizerSettings settings) where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly T gradientScale = T.CreateTruncating(settings.GradientScale);
    private readonly T rate = T.CreateTruncating(settings.LearningRate);
    private readonly T decay = T.CreateTruncating(settings.WeightDecay);
    private readonly T keep = T.CreateTruncating(1 - ((double)settings.LearningRate * settings.WeightDecay));
    private readonly T beta1 = T.CreateTruncating(settings.Beta1);
    private readonly T beta2 = T.CreateTruncating(settings.Beta2);
    private readonly T rest1 = T.CreateTruncating(1 - (double)settings.Beta1);
    private readonly T rest2 = T.CreateTruncating(1 - (double)settings.Beta2);
    private readonly T epsilon = T.CreateTruncating(settings.Epsilon);
    private readonly T correction1 = T.CreateTruncating(1 / (1 - Math.Pow(settings.Beta1, settings.StepsDone + 1)));
    private readonly T correction2 = T.CreateTruncating(1 / (1 - Math.Pow(settings.Beta2, settings.StepsDone + 1)));
    private readonly bool fresh = settings.StepsDone == 0 || settings.Beta1 == 0;

    /// <summary>Momentum with weight decay in the gradient; the velocity is not read in the first step.</summary>
    public void Sgd(T* values, T* gradients, T* velocity, long count)
    {
        for (long i = 0; i < count; i++)
        {
            T gradient = (gradients[i] * gradientScale) + (decay * values[i]);
            velocity[i] = fresh ? gradient : (beta1 * velocity[i]) + gradient;
            values[i] -= rate * velocity[i];
        }
    }

    /// <summary>Adam with decoupled weight decay.</summary>
    public void AdamW(T* values, T* gradients, T* first, T* second, long count)
    {
        for (long i = 0; i < count; i++)
        {
            T gradient = gradients[i] * gradientScale;
            first[i] = (beta1 * first[i]) + (rest1 * gradient);
            second[i] = (beta2 * second[i]) + (rest2 * gradient * gradient);
            T mean = first[i] * correction1, root = T.Sqrt(second[i] * correction2);
            values[i] = (values[i] * keep) - (rate * mean / (root + epsilon));
        }
    }
}
