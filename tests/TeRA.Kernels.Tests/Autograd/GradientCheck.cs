using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>Backward is the derivative of forward: central differences in float64, step 1e-6, atol 1e-5, rtol 1e-3.</summary>
internal abstract class GradientCheck
{
    private const double Step = 1e-6, Absolute = 1e-5, Relative = 1e-3;

    protected abstract Device Device { get; }

    [TestCaseSource(typeof(LayerCase), nameof(LayerCase.All))]
    public void Every_gradient_is_the_derivative(LayerCase problem)
    {
        using var fixture = new LayerFixture(Device, problem, DType.Float64, tokens: 3);
        fixture.Forward();
        (double[] inputGradient, double[][] gradients) = fixture.Backward();
        Compare(fixture, fixture.X, inputGradient, "dX");
        for (int i = 0; i < gradients.Length; i++)
        {
            Compare(fixture, fixture.Layer.Parameters[i].Value, gradients[i], fixture.Layer.Parameters[i].Name);
        }
    }

    private static void Compare(LayerFixture fixture, Tensor variable, double[] gradient, string name)
    {
        double[] at = LayerFixture.Read(variable);
        Assert.That(gradient, Has.Some.Not.Zero, $"{name} is all zero: nothing was tested");
        for (int i = 0; i < at.Length; i++)
        {
            double numeric = (Loss(fixture, variable, at, i, Step) - Loss(fixture, variable, at, i, -Step)) / (2 * Step);
            Assert.That(gradient[i], Is.EqualTo(numeric).Within(Absolute + (Relative * Math.Abs(numeric))), $"{name}[{i}]");
        }

        LayerFixture.Write(variable, at);
    }

    private static double Loss(LayerFixture fixture, Tensor variable, double[] at, int index, double step)
    {
        double[] moved = [.. at];
        moved[index] += step;
        LayerFixture.Write(variable, moved);
        return fixture.Forward().Zip(LayerFixture.Read(fixture.OutputGradient), (y, weight) => y * weight).Sum();
    }
}

/// <summary>On the interpreter: a wrong plan fails here too, a wrong kernel does not.</summary>
[TestFixture]
internal sealed class NaiveGradientCheckTests : GradientCheck
{
    private static readonly NaiveDevice Interpreter = new();

    protected override Device Device => Interpreter;
}
