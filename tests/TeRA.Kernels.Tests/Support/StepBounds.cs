using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>The bounds of the step tests, in one place, with their reasons.</summary>
internal static class StepBounds
{
    // As in the reference BLAS testers.
    private const double AccumulationUnits = 16;

    // Each rounding of a term is at most one roundoff; a sum of independent ones grows with the root of the squares. 16 standard
    // deviations are beyond any seed, and a dropped term of a sum of up to 200 still shows in bfloat16.
    private const double NoiseUnits = 16;

    // Exponentials and error functions of a platform are good to a few units; the sums behind a loss to a few more.
    private const double SmoothUnits = 32;

    /// <summary>Compares one output with the reference. Outputs start as NaN, so zeros cannot be mistaken for a kernel that wrote nothing.</summary>
    public static Comparison Compare(StepRunner run, BoundStep bound, Operand output, DType dtype)
    {
        double[] actual = run.Read(output), expected = run.Expected(output);
        string name = bound.Step.GetType().Name;
        return bound.Accuracy switch
        {
            StepAccuracy.Exact => Comparer.Exact(name, actual, Elements.Round(expected, output.DType), zerosAreRight: true),
            StepAccuracy.Smooth => Comparer.Within(name, actual, expected, Smooth(expected, output.DType, dtype), zerosAreRight: true),
            _ => Comparer.Within(name, actual, expected, Sum(run, bound, output, expected, dtype), zerosAreRight: true),
        };
    }

    private static double[] Smooth(double[] expected, DType stored, DType dtype)
    {
        double largest = expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double unit = dtype.ParameterDType().UnitRoundoff();
        return Array.ConvertAll(expected, value => Storage(value, stored) + (SmoothUnits * unit * (double.IsFinite(value) ? largest + 1 : 0)));
    }

    private static double[] Sum(StepRunner run, BoundStep bound, Operand output, double[] expected, DType dtype)
    {
        double[] absolute = run.Expected(output, Magnitude.Absolute), square = run.Expected(output, Magnitude.Square);
        double unit = dtype.ParameterDType().UnitRoundoff(), half = dtype.UnitRoundoff();
        bool rounded = bound.Accuracy == StepAccuracy.RoundedSum && dtype is DType.BFloat16 or DType.Float16;
        return [.. expected.Select((value, i) =>
            Storage(value, output.DType) + (AccumulationUnits * unit * absolute[i]) + (rounded ? NoiseUnits * half * Math.Sqrt(square[i]) : 0))];
    }

    // One rounding to the stored dtype; below the normal range of float16 the spacing is constant.
    private static double Storage(double value, DType dtype) =>
        double.IsFinite(value) ? (1.001 * dtype.UnitRoundoff() * Math.Abs(value)) + (dtype == DType.Float16 ? 3e-8 : 0) : 0;
}
