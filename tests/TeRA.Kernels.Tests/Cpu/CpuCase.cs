using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>One step on CPU devices of 1, 2 and 3 threads: right against the naive interpreter, and the same bits on all three.</summary>
internal static class CpuCase
{
    /// <summary>Devices of every thread count that the tests use; they live as long as the process.</summary>
    public static CpuDevice[] Devices { get; } = [new(1), new(2), new(3)];

    /// <summary>Seeded numbers in [−2, 2), or whole numbers from −4 to 4.</summary>
    public static double[] Values(long count, int seed, bool whole = false)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, checked((int)count)).Select(_ => whole ? random.Next(-4, 5) : (random.NextDouble() * 4) - 2)];
    }

    /// <summary>
    /// Runs <paramref name="build"/>'s step on every device. Outputs must be within <paramref name="terms"/> roundings of the compute
    /// dtype on the sum of the terms' magnitudes, plus one rounding of the output's dtype; with 0 terms equal to the reference rounded once.
    /// </summary>
    /// <param name="build">Makes the operands and the step and names the operands to compare.</param>
    /// <param name="terms">Roundings that an element may have seen.</param>
    /// <param name="magnitudes">Whether the step is a sum of products, so that magnitudes can be had from the reference.</param>
    /// <param name="floor">Least magnitude, where the reference itself is only absolutely accurate.</param>
    /// <param name="misalignment">Bytes by which the operands' addresses miss the alignment.</param>
    public static void Run(Func<StepRunner, (Step Step, Operand[] Outputs)> build, double terms, bool magnitudes = true, double floor = 0, int misalignment = 0)
    {
        byte[][]? first = null;
        foreach (CpuDevice device in Devices)
        {
            using var run = new StepRunner(device) { Misalignment = misalignment };
            (Step step, Operand[] outputs) = build(run);
            run.Run(step);
            Assert.That(run.Description, Does.StartWith("cpu ").And.Contains($"{device.Threads} thread"));
            byte[][] bytes = [.. outputs.Select(output => run.ReadBytes(output.Slot))];
            if (first is null)
            {
                first = bytes;
                foreach (Operand output in outputs)
                {
                    Compare(run, step, output, terms, magnitudes, floor);
                }
            }

            for (int i = 0; i < bytes.Length; i++)
            {
                Check.That(Comparer.SameBits($"{step.Label}: output {i} with {device.Threads} threads", bytes[i], first[i]), step.ToString());
            }
        }
    }

    private static void Compare(StepRunner run, Step step, Operand output, double terms, bool magnitudes, double floor)
    {
        double[] expected = run.Expected(output), actual = run.Read(output);
        if (terms == 0)
        {
            Check.That(Comparer.Exact(step.Label, actual, Elements.Round(expected, output.DType), zerosAreRight: true), step.ToString());
            return;
        }

        double[] scale = magnitudes ? run.Expected(output, Magnitude.Absolute) : [.. expected.Select(value => Math.Max(Math.Abs(value), floor))];
        double[] bounds = [.. scale.Zip(expected, (size, value) => Bound(output.DType, terms, size, value))];
        Check.That(Comparer.Within(step.Label, actual, expected, bounds, zerosAreRight: true), step.ToString());
    }

    private static double Bound(DType dtype, double terms, double size, double value)
    {
        // 2⁻²⁵ is half a unit of float16's subnormals.
        double storage = dtype is DType.Float16 or DType.BFloat16 ? (dtype.UnitRoundoff() * Math.Abs(value)) + Math.Pow(2, -25) : 0;
        return (terms * dtype.ParameterDType().UnitRoundoff() * size) + storage;
    }
}
