using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>Dense products and products with the regenerated core on the CPU device.</summary>
[TestFixture]
internal sealed class CpuProductTests
{
    private static readonly DType[] DTypes = [DType.Float32, DType.Float64, DType.BFloat16, DType.Float16];
    private static readonly int[] Lengths = [0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17, 31, 32, 33, 64, 65, 67];
    private static readonly int[] Depths = [0, 1, 2, 3, 5, 8, 31, 64, 127, 255, 256, 257, 521];

    [Test]
    public void Every_layout_and_option_is_right_for_odd_shapes([Values] bool whole)
    {
        Gen<(int M, int N, int K, int Options, int DType)> shapes =
            from m in Gen.Elements(Lengths)
            from n in Gen.Elements(Lengths)
            from k in Gen.Elements(Depths)
            from options in Gen.Choose(0, 31)
            from dtype in Gen.Choose(0, 3)
            select (m, n, k, options, dtype);
        Prop.ForAll(shapes.ToArbitrary(), shape => Product(shape.M, shape.N, shape.K, DTypes[shape.DType], shape.Options, whole))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    [TestCase(12, 32, 256)]
    [TestCase(144, 256, 256)]
    [TestCase(145, 257, 300)]
    [TestCase(481, 30, 64)]
    [TestCase(37, 521, 257)]
    [TestCase(1, 1030, 70)]
    [TestCase(2, 1100, 300)]
    [TestCase(3, 1100, 300)]
    public void Blocks_and_their_edges_are_right(int m, int n, int k)
    {
        for (int options = 0; options < 4; options++)
        {
            Product(m, n, k, DType.Float32, options, whole: false);
            Product(m, n, k, DType.Float64, options, whole: true);
        }
    }

    [Test]
    public void Float32_output_beside_16_bit_operands_is_not_rounded_to_16_bits()
    {
        foreach (DType dtype in new[] { DType.BFloat16, DType.Float16 })
        {
            Product(33, 17, 70, dtype, options: 3 | 32, whole: false);
        }
    }

    [Test]
    public void NaN_and_infinity_reach_exactly_their_row_and_column_even_through_zeros()
    {
        double[] a = new double[5 * 7], b = new double[7 * 40];
        a[(2 * 7) + 3] = double.NaN;
        b[(4 * 40) + 35] = double.PositiveInfinity;
        CpuCase.Run(
            run =>
            {
                var c = run.Output("C", DType.Float32, 5 * 40);
                return (new MatrixProductStep(run.Input("A", DType.Float32, a), run.Input("B", DType.Float32, b), c, 5, 40, 7) { Label = "non-finite" }, [c]);
            },
            terms: 0);
    }

    [Test]
    public void Core_product_is_right_for_odd_shapes_both_ways()
    {
        var shapes =
            from tokens in Gen.Elements(0, 1, 2, 3, 5, 12, 17, 40)
            from r in Gen.Elements(0, 1, 3, 7, 31, 32, 33, 64, 70)
            from s in Gen.Elements(0, 1, 2, 5, 32, 61, 257)
            from options in Gen.Choose(0, 7)
            from dtype in Gen.Choose(0, 3)
            select (tokens, r, s, options, dtype);
        Prop.ForAll(shapes.ToArbitrary(), shape => CoreProduct(shape.tokens, shape.r, shape.s, DTypes[shape.dtype], shape.options))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }

    [Test]
    public void Core_product_is_right_where_the_tokens_need_several_blocks() => CoreProduct(1100, 130, 40, DType.Float32, 3);

    [Test]
    public void Core_projection_is_right_for_odd_shapes()
    {
        var shapes =
            from tokens in Gen.Elements(0, 1, 2, 5, 64, 300)
            from r in Gen.Elements(0, 1, 3, 12, 31, 49, 97)
            from s in Gen.Elements(0, 1, 2, 32, 33, 65, 129)
            from options in Gen.Choose(0, 1)
            from dtype in Gen.Choose(0, 3)
            select (tokens, r, s, options, dtype);
        Prop.ForAll(shapes.ToArbitrary(), shape => CoreProjection(shape.tokens, shape.r, shape.s, DTypes[shape.dtype], shape.options))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Test]
    public void Core_projection_is_right_with_many_blocks() => CoreProjection(20, 400, 520, DType.Float32, 1);

    // Options: 1 and 2 transpose A and B, 4 accumulates, 8 adds a bias, 16 multiplies by alpha, 32 keeps C in float32.
    private static void Product(int m, int n, int k, DType dtype, int options, bool whole) => CpuCase.Run(
        run =>
        {
            DType result = (options & 32) != 0 ? DType.Float32 : dtype;
            Operand a = run.Input("A", dtype, CpuCase.Values((long)m * k, 1, whole)), b = run.Input("B", dtype, CpuCase.Values((long)k * n, 2, whole));
            Operand c = (options & 4) != 0 ? run.InOut("C", result, CpuCase.Values((long)m * n, 3, whole)) : run.Output("C", result, (long)m * n);
            var step = new MatrixProductStep(a, b, c, m, n, k)
            {
                Label = $"product of {dtype}, options {options}",
                LayoutA = (options & 1) != 0 ? Layout.Transposed : Layout.Normal,
                LayoutB = (options & 2) != 0 ? Layout.Transposed : Layout.Normal,
                AddTo = (options & 4) != 0 ? c : null,
                Bias = (options & 8) != 0 ? run.Input("bias", dtype, CpuCase.Values(n, 4, whole)) : null,
                Alpha = (options & 16) == 0 ? 1 : whole ? -2 : 0.75,
            };
            return (step, [c]);
        },
        whole ? 0 : Roundings(k));

    private static void CoreProduct(int tokens, int r, int s, DType dtype, int options) => CpuCase.Run(
        run =>
        {
            bool overRows = (options & 1) != 0;
            (int length, int width) = overRows ? (r, s) : (s, r);
            Operand c = run.Output("C", dtype, (long)tokens * width);
            bool exact = (options & 4) != 0;
            var source = new RandomSource(7, exact ? Distribution.Rademacher : Distribution.Normal);
            var step = new CoreProductStep(run.Input("A", dtype, CpuCase.Values((long)tokens * length, 1, exact)), c, tokens, new CoreSource(source, 3, r, s))
            {
                Label = $"core product of {dtype}, options {options}",
                OverRows = overRows,
                Scale = (options & 2) != 0 ? run.Input("scale", dtype.ParameterDType(), CpuCase.Values(length, 2, exact)) : null,
                Alpha = exact ? 1 : 0.3,
            };
            return (step, [c]);
        },
        (options & 4) != 0 ? 0 : Roundings(Math.Max(r, s)) + 2);

    private static void CoreProjection(int tokens, int r, int s, DType dtype, int options) => CpuCase.Run(
        run =>
        {
            bool exact = options == 1;
            DType vectors = dtype.ParameterDType();
            Operand g = run.Output("g_d", vectors, r), h = run.Output("g_e", vectors, s);
            var source = new RandomSource(9, exact ? Distribution.Rademacher : Distribution.Uniform);
            var step = new CoreProjectionStep(
                run.Input("Q", dtype, CpuCase.Values((long)tokens * r, 1, exact)),
                run.Input("P", dtype, CpuCase.Values((long)tokens * s, 2, exact)),
                run.Input("d", vectors, CpuCase.Values(r, 3, exact)),
                run.Input("e", vectors, CpuCase.Values(s, 4, exact)),
                g,
                h,
                tokens,
                new CoreSource(source, 0, r, s))
            {
                Label = $"core projection of {dtype}, options {options}",
                Alpha = exact ? 2 : 0.1,
            };
            return (step, [g, h]);
        },
        options == 1 ? 0 : Roundings(tokens) + Roundings(Math.Max(r, s)));

    // A chain of at most 256 multiply-adds, then one addition for each further 256; far below the worst case in practice.
    private static double Roundings(int depth) => 4 + Math.Min(depth, 256) + (depth / 256);
}
