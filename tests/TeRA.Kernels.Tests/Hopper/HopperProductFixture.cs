using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Hopper;

/// <summary>What the tests of both product kernels share: their dtypes and layouts, and products of integers that are exact.</summary>
internal abstract class HopperProductFixture : HopperFixture
{
    protected static readonly DType[] DTypes = [DType.BFloat16, DType.Float16];
    protected static readonly Layout[] Layouts = [Layout.Normal, Layout.Transposed];

    /// <summary>What a test adds to a product.</summary>
    public enum Addend
    {
        /// <summary>Nothing.</summary>
        None,

        /// <summary>C's own content.</summary>
        InPlace,

        /// <summary>Another buffer.</summary>
        Apart,
    }

    /// <summary>Runs a product of integers there and on the CPU, compares the results bit for bit, and says which kernel ran.</summary>
    protected static string Exact(
        DType dtype, (long M, long N, long K) size, Layout layoutA, Layout layoutB, DType? output = null, Addend addend = Addend.None, int misalignment = 0, bool bias = true,
        (long Width, long Depth, Layout Layout)? blocks = null, int limit = 3)
    {
        using StepRunner run = new(Gpu) { Misalignment = misalignment }, cpu = new(CpuDevice.Shared);
        MatrixProductStep step = Bind(run, out Operand c);
        run.Run(step);
        cpu.Run(Bind(cpu, out _));
        Check.That(
            Comparer.Exact("C", run.Read(c), cpu.Read(c)), $"{run.Description}, {size}, {layoutA}-{layoutB}, addresses off by {misalignment}");
        return run.Description;

        // Every number is exact in float32, so the CPU device gives the exact result and its one rounding.
        MatrixProductStep Bind(StepRunner runner, out Operand c)
        {
            (long m, long n, long k) = size;
            DType result = output ?? dtype;
            Operand a = runner.Input("A", dtype, SeededValues.Integers(m * k, 1, limit)), b = runner.Input("B", dtype, SeededValues.Integers(k * n, 2, limit));
            c = addend == Addend.InPlace ? runner.InOut("C", result, SeededValues.NonZeroIntegers(m * n, 3, 4)) : runner.Output("C", result, m * n);
            BlockProduct? second = null;
            if (blocks is { } shape)
            {
                Operand a2 = runner.Input("A2", dtype, SeededValues.Integers(m * (n / shape.Width) * shape.Depth, 5, limit));
                second = new BlockProduct(a2, runner.Input("B2", dtype, SeededValues.Integers(shape.Depth * shape.Width, 6, limit)), shape.Depth, shape.Width) { LayoutB = shape.Layout };
            }

            return new MatrixProductStep(a, b, c, m, n, k)
            {
                Label = "exact",
                Blocks = second,
                LayoutA = layoutA,
                LayoutB = layoutB,
                Alpha = -0.5,
                AddTo = addend switch
                {
                    Addend.InPlace => c,
                    Addend.Apart => runner.Input("addend", result, SeededValues.NonZeroIntegers(m * n, 7, 4)),
                    _ => null,
                },
                Bias = bias ? runner.Input("bias", dtype, SeededValues.NonZeroIntegers(n, 4, 4)) : null,
            };
        }
    }
}
