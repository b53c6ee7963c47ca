using System.Collections.Immutable;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>The problem list of the step tests: every step type, dtype, option, and awkward sizes.</summary>
internal static class StepCases
{
    private static readonly DType[] AllDTypes = Enum.GetValues<DType>();

    private static readonly Distribution[] Distributions =
        [Distribution.Normal, Distribution.Uniform, Distribution.Rademacher, Distribution.Ternary(1.0 / 6)];

    private static readonly (long M, long N, long K)[] ProductShapes =
    [
        (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (1, 7, 5), (2, 3, 1), (5, 1, 3), (15, 17, 16), (16, 16, 16), (31, 33, 32), (64, 64, 64),
        (65, 63, 129), (127, 5, 64), (3, 129, 31), (128, 128, 33), (130, 97, 257), (1, 256, 300), (300, 1, 131),
    ];

    // Blocks of one column, narrower and wider than tiles, one block, and sums of no and one term.
    private static readonly (long M, long N, long K, long Columns, long BlockK)[] BlockShapes =
    [
        (0, 4, 3, 2, 5), (1, 12, 5, 4, 3), (2, 30, 7, 30, 9), (5, 8, 0, 1, 2), (17, 24, 16, 3, 1), (33, 64, 31, 64, 0), (65, 66, 32, 22, 33), (31, 192, 40, 96, 16),
        (70, 260, 129, 130, 31), (129, 256, 64, 64, 8), (40, 300, 2000, 300, 65), (300, 150, 33, 75, 20),
    ];

    private static readonly (long Tokens, long R, long S)[] CoreShapes =
        [(0, 3, 5), (1, 1, 1), (1, 7, 3), (2, 16, 16), (5, 33, 31), (17, 64, 8), (64, 8, 65), (129, 31, 64), (33, 128, 127), (300, 12, 20)];

    private static readonly long[][] VectorLengths = [[1], [7], [1, 1], [3, 4], [5, 1, 3], [8, 8, 8], [2, 3, 5, 7], [257], [31, 33]];

    /// <summary>All cases.</summary>
    public static IEnumerable<StepCase> All =>
        [.. MatrixProducts(), .. BlockProducts(), .. FilledProducts(), .. Kroneckers(), .. CoreProducts(), .. CoreProjections(), .. CoreExpansions(), .. CoreMarginals(), .. KroneckerMatrices(), .. SeveralMatrices(), .. BlockOperands(), .. Vectors(), .. Elementwise(), .. Fills(), .. ScaledCopies(), .. Activations(), .. Losses(), .. Optimizers()];

    private static IEnumerable<StepCase> MatrixProducts()
    {
        int index = 0;
        foreach ((long m, long n, long k) in ProductShapes)
        {
            foreach ((Layout a, Layout b) in new[] { (Layout.Normal, Layout.Transposed), (Layout.Normal, Layout.Normal), (Layout.Transposed, Layout.Normal), (Layout.Transposed, Layout.Transposed) })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++ % 8;
                    foreach (bool integers in new[] { false, true })
                    {
                        string name = $"product {m}x{n}x{k} {a}-{b} options {options} {(integers ? "integers" : "normal")}";
                        yield return new StepCase(name, dtype, run => MatrixProduct(run, dtype, (m, n, k), (a, b), options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep MatrixProduct(StepRunner run, DType dtype, (long M, long N, long K) size, (Layout A, Layout B) layouts, int options, bool integers)
    {
        (long m, long n, long k) = size;
        bool accumulate = (options & 1) != 0, bias = (options & 2) != 0;
        DType result = (options & 4) != 0 && dtype != DType.Float64 ? DType.Float32 : dtype;
        Operand a = run.Input("A", dtype, Fill(m * k, 1, dtype, integers)), b = run.Input("B", dtype, Fill(k * n, 2, dtype, integers));
        Operand c = accumulate ? run.InOut("C", result, Fill(m * n, 3, result, integers)) : run.Output("C", result, m * n);
        var step = new MatrixProductStep(a, b, c, m, n, k)
        {
            Label = "test",
            LayoutA = layouts.A,
            LayoutB = layouts.B,
            Alpha = integers ? -0.5 : 0.7f,
            AddTo = accumulate ? c : null,
            Bias = bias ? run.Input("bias", dtype, Fill(n, 4, dtype, integers)) : null,
        };
        return new BoundStep(step, [c], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> BlockProducts()
    {
        int index = 0;
        foreach ((long m, long n, long k, long width, long depth) in BlockShapes)
        {
            foreach ((Layout a, Layout b) in new[] { (Layout.Normal, Layout.Transposed), (Layout.Normal, Layout.Normal), (Layout.Transposed, Layout.Normal) })
            {
                foreach (Layout layout in new[] { Layout.Normal, Layout.Transposed })
                {
                    foreach (DType dtype in AllDTypes)
                    {
                        int options = index++ % 16;
                        bool integers = index / 16 % 2 == 0;
                        string name = $"product {m}x{n}x{k} {a}-{b} with blocks {width}x{depth} {layout} options {options} {(integers ? "integers" : "normal")}";
                        yield return new StepCase(name, dtype, run => BlockProduct(run, dtype, (m, n, k), (a, b), (width, depth, layout), options, integers));
                    }
                }
            }
        }
    }

    // Options as of a plain product; 8 adds another buffer instead of C itself.
    private static BoundStep BlockProduct(
        StepRunner run, DType dtype, (long M, long N, long K) size, (Layout A, Layout B) layouts, (long Columns, long K, Layout Layout) blocks, int options, bool integers)
    {
        BoundStep bound = MatrixProduct(run, dtype, size, layouts, options, integers);
        var step = (MatrixProductStep)bound.Step;
        Operand a = run.Input("A2", dtype, Fill(size.M * (blocks.Columns == 0 ? 0 : size.N / blocks.Columns * blocks.K), 5, dtype, integers));
        Operand b = run.Input("B2", dtype, Fill(blocks.K * blocks.Columns, 6, dtype, integers));
        bool apart = (options & 8) != 0 && step.AddTo is null;
        return bound with
        {
            Step = step with
            {
                Blocks = new BlockProduct(a, b, blocks.K, blocks.Columns) { LayoutB = blocks.Layout },
                AddTo = apart ? run.Input("addend", step.C.DType, Fill(size.M * size.N, 7, step.C.DType, integers)) : step.AddTo,
            },
        };
    }

    private static IEnumerable<StepCase> FilledProducts() =>
        from shape in ProductShapes
        from dtype in AllDTypes
        from integers in new[] { false, true }
        select new StepCase($"filled product {shape.M}x{shape.N}x{shape.K} {(integers ? "integers" : "normal")}", dtype, run =>
        {
            BoundStep product = MatrixProduct(run, dtype, shape, (Layout.Transposed, Layout.Normal), options: 0, integers);
            var core = new CoreSource(new RandomSource(17, Distribution.Rademacher), 3, shape.N, 7);
            Operand filled = run.Output("filled", dtype, core.R * core.S);
            return product with { Step = new FilledProductStep((MatrixProductStep)product.Step, new FillRandomStep(filled, core) { Label = "fill", Scale = 0.5 }) { Label = "test" }, Outputs = [.. product.Outputs, filled] };
        });

    private static double[] Fill(long count, ulong seed, DType dtype, bool integers) =>
        integers ? SeededValues.NonZeroIntegers(count, seed, dtype is DType.BFloat16 or DType.Float16 ? 1 : 4) : SeededValues.Normal(count, seed, dtype);

    private static IEnumerable<StepCase> Kroneckers()
    {
        (long Outer, long Inner, (long, long)[] Modes)[] shapes =
        [
            (0, 1, [(3, 2)]), (1, 1, [(1, 1)]), (3, 1, [(5, 2)]), (1, 4, [(2, 5)]), (2, 3, [(3, 2), (2, 3)]), (7, 1, [(4, 4), (4, 2), (3, 5)]),
            (1, 9, [(2, 2), (3, 2), (2, 1), (3, 2)]), (17, 1, [(16, 8), (16, 8)]), (1, 33, [(8, 4), (8, 4)]), (65, 1, [(31, 7), (5, 3)]),
            (129, 1, [(127, 17)]), (1, 64, [(43, 8), (3, 3)]), (2, 31, [(16, 17), (4, 3)]),
        ];
        int index = 0;
        foreach ((long outer, long inner, (long, long)[] modes) in shapes)
        {
            foreach (bool contract in new[] { true, false })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++;
                    foreach (bool integers in new[] { false, true })
                    {
                        string name = $"kronecker {outer}x{inner} {string.Join(' ', modes)} {(contract ? "contract" : "expand")} options {options % 12} {(integers ? "integers" : Distributions[options % 4])}";
                        yield return new StepCase(name, dtype, run => Kronecker(run, dtype, (outer, inner), modes, contract, options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep Kronecker(
        StepRunner run, DType dtype, (long Outer, long Inner) size, (long Rows, long Columns)[] modes, bool contract, int options, bool integers)
    {
        ImmutableArray<KroneckerMode> list = [.. modes.Select((mode, i) => new KroneckerMode((uint)(i + 1), mode.Rows, mode.Columns, contract))];
        var source = new RandomSource(11, integers ? Distribution.Rademacher : Distributions[options % 4]);
        long length = list.Aggregate(1L, (product, mode) => product * mode.In), result = list.Aggregate(1L, (product, mode) => product * mode.Out);
        bool generated = options % 3 == 2, scaled = options % 2 == 0;
        long count = size.Outer * result * size.Inner;
        double[] addition = integers ? SeededValues.NonZeroIntegers(count, 5, 2) : SeededValues.Normal(count, 5, dtype);
        Operand? input = generated ? null : run.Input("input", dtype, integers ? Sparse(size.Outer * length * size.Inner, 6) : SeededValues.Normal(size.Outer * length * size.Inner, 6, dtype));
        Operand? scale = scaled ? run.Input("scale", dtype.ParameterDType(), integers ? SeededValues.NonZeroIntegers(length, 7, 1) : SeededValues.AwayFromZero(length, 7, dtype.ParameterDType())) : null;
        Operand output = options % 4 == 1 ? run.InOut("output", dtype, addition) : run.Output("output", dtype, count);
        Operand? addTo = options % 4 == 1 ? output : options % 4 == 2 ? run.Input("addTo", dtype, addition) : null;
        var step = new KroneckerStep(input, output, size.Outer, size.Inner, list, source)
        {
            Label = "test",
            Core = generated ? new CoreSource(source, 0, size.Outer * length, size.Inner) : null,
            InputScale = scale,
            AddTo = addTo,
            Alpha = integers ? 0.5 : 0.3f,
        };
        return new BoundStep(step, [output], integers && !(generated && dtype is DType.BFloat16) ? StepAccuracy.Exact : StepAccuracy.RoundedSum);
    }

    // One in eight is ±1: sums over some hundred terms stay exact in bfloat16.
    private static double[] Sparse(long count, ulong seed)
    {
        double[] keep = SeededValues.Integers(count, seed + 100, 4), sign = SeededValues.NonZeroIntegers(count, seed, 1);
        return [.. keep.Zip(sign, (k, s) => k == 4 ? s : 0)];
    }

    private static IEnumerable<StepCase> CoreProducts()
    {
        int index = 0;
        foreach ((long tokens, long r, long s) in CoreShapes)
        {
            foreach (bool overRows in new[] { false, true })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++;
                    foreach (bool integers in new[] { false, true })
                    {
                        yield return new StepCase(
                            $"core product {tokens}x{r}x{s} {(overRows ? "over rows" : "over columns")} {(options % 2 == 0 ? "scaled" : "plain")} {(integers ? "integers" : Distributions[options % 4])}",
                            dtype, run => CoreProduct(run, dtype, (tokens, r, s), overRows, options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep CoreProduct(StepRunner run, DType dtype, (long Tokens, long R, long S) size, bool overRows, int options, bool integers)
    {
        (long length, long width) = overRows ? (size.R, size.S) : (size.S, size.R);
        var core = new CoreSource(new RandomSource(5, integers ? Distribution.Rademacher : Distributions[options % 4]), 0, size.R, size.S);
        Operand a = run.Input("A", dtype, Fill(size.Tokens * length, 8, dtype, integers)), c = run.Output("C", dtype, size.Tokens * width);
        DType parameter = dtype.ParameterDType();
        Operand? scale = options % 2 == 0
            ? run.Input("scale", parameter, integers ? SeededValues.NonZeroIntegers(length, 9, 1) : SeededValues.AwayFromZero(length, 9, parameter)) : null;
        var step = new CoreProductStep(a, c, size.Tokens, core) { Label = "test", OverRows = overRows, Scale = scale, Alpha = integers ? 0.5 : 0.3f };
        return new BoundStep(step, [c], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum);
    }

    private static IEnumerable<StepCase> CoreProjections()
    {
        int index = 0;
        foreach ((long tokens, long r, long s) in CoreShapes)
        {
            foreach (DType dtype in AllDTypes)
            {
                int options = index++;
                foreach (bool integers in new[] { false, true })
                {
                    yield return new StepCase(
                        $"core projection {tokens}x{r}x{s} {(integers ? "integers" : Distributions[options % 4])}", dtype,
                        run => CoreProjection(run, dtype, (tokens, r, s), options, integers));
                }
            }
        }
    }

    private static BoundStep CoreProjection(StepRunner run, DType dtype, (long Tokens, long R, long S) size, int options, bool integers)
    {
        (long tokens, long r, long s) = size;
        DType parameter = dtype.ParameterDType();
        double[] Scale(long count, ulong seed) => integers ? SeededValues.NonZeroIntegers(count, seed, 2) : SeededValues.AwayFromZero(count, seed, parameter);
        Operand rowGradient = run.Output("g_d", parameter, r), columnGradient = run.Output("g_e", parameter, s);
        var step = new CoreProjectionStep(
            run.Input("Q", dtype, Fill(tokens * r, 10, dtype, integers)), run.Input("P", dtype, Fill(tokens * s, 11, dtype, integers)),
            run.Input("d", parameter, Scale(r, 12)), run.Input("e", parameter, Scale(s, 13)), rowGradient, columnGradient, tokens,
            new CoreSource(new RandomSource(6, integers ? Distribution.Rademacher : Distributions[options % 4]), 0, r, s))
        {
            Label = "test",
            Alpha = integers ? 0.5 : 0.3f,
        };
        return new BoundStep(step, [rowGradient, columnGradient], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum);
    }

    private static IEnumerable<StepCase> CoreExpansions()
    {
        // (ranks and features of the first mode, the contracted dimension without it, the other dimension): neighbours on both sides of
        // the generator's blocks, of 128 places, of eight ranks and of 64 features.
        (long In, long Out, long After, long Other)[] shapes =
        [
            (1, 1, 1, 1), (2, 3, 0, 4), (2, 3, 4, 0), (3, 2, 1, 5), (1, 7, 5, 3), (8, 16, 4, 32), (8, 16, 16, 64), (5, 4, 7, 9), (7, 43, 6, 12), (9, 65, 3, 31),
            (16, 16, 12, 44), (4, 130, 2, 40), (12, 6, 33, 128), (2, 2, 300, 3), (2, 5, 3, 300),
        ];
        int index = 0;
        foreach ((long In, long Out, long After, long Other) shape in shapes)
        {
            foreach (bool overColumns in new[] { false, true })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++ % 7;
                    foreach (bool integers in new[] { false, true })
                    {
                        yield return new StepCase(
                            $"core expansion {shape.In}->{shape.Out} x{shape.After}x{shape.Other} {(overColumns ? "over columns" : "over rows")} options {options} {(integers ? "integers" : Distributions[options % 4])}",
                            dtype, run => CoreExpansion(run, dtype, shape, overColumns, options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep CoreExpansion(
        StepRunner run, DType dtype, (long In, long Out, long After, long Other) shape, bool overColumns, int options, bool integers)
    {
        (long contracted, long other) = (shape.In * shape.After, shape.Other);
        (long r, long s) = overColumns ? (other, contracted) : (contracted, other);
        bool contract = options == 3;
        KroneckerMode first = contract ? new KroneckerMode(9, shape.In, shape.Out, Contract: true) : new KroneckerMode(9, shape.Out, shape.In, Contract: false);
        var source = new RandomSource(15, integers ? Distribution.Rademacher : Distributions[options % 4]);
        DType parameter = dtype.ParameterDType();
        Operand? Scale(string name, long count, ulong seed, int without) => options == without
            ? null : run.Input(name, parameter, integers ? SeededValues.NonZeroIntegers(count, seed, 1) : SeededValues.AwayFromZero(count, seed, parameter));
        Operand output = run.Output("M", dtype, shape.Out * shape.After * shape.Other);
        var step = new CoreExpansionStep(output, first, Scale("d", r, 16, 1), Scale("e", s, 17, 2), source, new CoreSource(source, 0, r, s))
        {
            Label = "test",
            OverColumns = overColumns,
            Alpha = integers ? 0.5 : 0.3f,
        };
        return new BoundStep(step, [output], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> CoreMarginals()
    {
        (long R, long S)[] shapes =
            [(0, 3), (3, 0), (1, 1), (1, 300), (300, 1), (7, 5), (8, 8), (9, 256), (33, 264), (65, 257), (130, 520), (64, 1028), (1030, 30)];
        int index = 0;
        foreach ((long r, long s) in shapes)
        {
            foreach (DType dtype in AllDTypes)
            {
                int options = index++;
                foreach (bool integers in new[] { false, true })
                {
                    yield return new StepCase(
                        $"core marginals {r}x{s} {(integers ? "integers" : Distributions[options % 4])}", dtype,
                        run => CoreMarginals(run, dtype, (r, s), options, integers));
                }
            }
        }
    }

    private static BoundStep CoreMarginals(StepRunner run, DType dtype, (long R, long S) size, int options, bool integers)
    {
        (long r, long s) = size;
        DType parameter = dtype.ParameterDType();
        double[] Scale(long count, ulong seed) => integers ? SeededValues.NonZeroIntegers(count, seed, 2) : SeededValues.AwayFromZero(count, seed, parameter);
        Operand rowGradient = run.Output("g_d", parameter, r), columnGradient = run.Output("g_e", parameter, s);
        var step = new CoreMarginalsStep(
            run.Input("H", dtype, integers ? SeededValues.NonZeroIntegers(r * s, 14, 9) : SeededValues.Normal(r * s, 14, dtype)),
            run.Input("d", parameter, Scale(r, 12)), run.Input("e", parameter, Scale(s, 13)), rowGradient, columnGradient,
            new CoreSource(new RandomSource(6, integers ? Distribution.Rademacher : Distributions[options % 4]), 0, r, s))
        {
            Label = "test",
            Alpha = integers ? 0.5 : 0.3f,
        };
        return new BoundStep(step, [rowGradient, columnGradient], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> KroneckerMatrices()
    {
        (long, long)[][] shapes =
        [
            [(1, 1)], [(3, 2)], [(0, 2)], [(3, 0), (2, 2)], [(16, 8), (16, 8)], [(7, 3), (5, 1), (1, 4)], [(2, 3), (3, 2), (2, 2), (1, 5)], [(43, 9), (3, 3)],
            // More than shared memory holds.
            [(130, 70), (2, 1)],
        ];
        int index = 0;
        foreach ((long, long)[] modes in shapes)
        {
            foreach (bool contract in new[] { false, true })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++;
                    foreach (bool integers in new[] { false, true })
                    {
                        yield return new StepCase(
                            $"kronecker matrix {string.Join(' ', modes)} {(contract ? "contract" : "expand")} {(integers ? "integers" : Distributions[options % 4])}", dtype,
                            run => KroneckerMatrix(run, dtype, modes, contract, options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep KroneckerMatrix(StepRunner run, DType dtype, (long Rows, long Columns)[] modes, bool contract, int options, bool integers)
    {
        ImmutableArray<KroneckerMode> list = [.. modes.Select((mode, i) => new KroneckerMode((uint)(i + 1), mode.Rows, mode.Columns, contract))];
        Operand output = run.Output("output", dtype, list.Aggregate(1L, (product, mode) => product * mode.In * mode.Out));
        var source = new RandomSource(18, integers ? Distribution.Rademacher : Distributions[options % 4]);
        var step = new KroneckerMatrixStep(output, list, source) { Label = "test", Alpha = integers ? 0.5 : 0.3f };
        return new BoundStep(step, [output], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> SeveralMatrices()
    {
        int index = 0;
        foreach (int vectors in new[] { 0, 2, 6 })
        {
            foreach (DType dtype in AllDTypes)
            {
                int options = index++;
                foreach (bool integers in new[] { false, true })
                {
                    yield return new StepCase(
                        $"kronecker matrices and {vectors} vectors {(integers ? "integers" : Distributions[options % 4])}", dtype, run => SeveralMatrices(run, dtype, vectors, options, integers));
                }
            }
        }
    }

    private static BoundStep SeveralMatrices(StepRunner run, DType dtype, int vectors, int options, bool integers)
    {
        (long Rows, long Columns)[][] shapes = [[(16, 8)], [(7, 3), (5, 8)], [(2, 3), (3, 4), (4, 8)], [(130, 70), (2, 1)]];
        DType parameter = dtype.ParameterDType();
        var parts = shapes.Select((modes, i) => KroneckerMatrix(run, dtype, modes, contract: i % 2 == 1, options, integers)).ToArray();
        var matrices = parts.Select((part, i) => (KroneckerMatrixStep)part.Step with
        {
            Scales = i == 1 ? [] : [.. ((KroneckerMatrixStep)part.Step).Modes.Select((mode, m) => run.Input(
                $"scale {i} {m}", parameter, integers ? SeededValues.NonZeroIntegers(mode.In, (ulong)(40 + m), 2) : SeededValues.Normal(mode.In, (ulong)(40 + m), parameter)))],
        });
        BoundStep[] diagonals = vectors == 0 ? [] : [OuterVectors(run, parameter, [.. Enumerable.Repeat(3L, vectors)], integers), OuterVectors(run, parameter, [700], integers)];
        var step = new KroneckerMatricesStep(vectors == 0 ? null : (OuterVectorsStep)diagonals[0].Step with { More = [(OuterVectorsStep)diagonals[1].Step] }, [.. matrices]) { Label = "test" };
        return new BoundStep(step, [.. parts.SelectMany(part => part.Outputs), .. diagonals.SelectMany(part => part.Outputs)], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> BlockOperands()
    {
        // (rows' ranks, columns' ranks, features of the first mode): one vector, as many as the kernel multiplies itself, and more; the last is an empty core.
        (long[] Rows, long[] Columns, long Out)[] shapes =
            [([8, 4], [8, 4], 16), ([3, 5, 2], [7], 4), ([2, 3, 2, 2], [2, 2, 2, 3], 49), ([2, 1, 3, 2, 2], [4, 4], 5), ([4, 3], [2, 2, 1, 2, 2, 2], 2), ([5, 0], [3, 3], 4)];
        int index = 0;
        foreach ((long[] Rows, long[] Columns, long Out) shape in shapes)
        {
            foreach (bool overColumns in new[] { false, true })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++;
                    foreach (bool integers in new[] { false, true })
                    {
                        yield return new StepCase(
                            $"block operands {string.Join('x', shape.Rows)} and {string.Join('x', shape.Columns)} to {shape.Out} {(overColumns ? "over columns" : "over rows")} {(integers ? "integers" : Distributions[options % 4])}",
                            dtype, run => BlockOperands(run, dtype, shape, overColumns, options, integers));
                    }
                }
            }
        }
    }

    private static BoundStep BlockOperands(
        StepRunner run, DType dtype, (long[] Rows, long[] Columns, long Out) shape, bool overColumns, int options, bool integers)
    {
        DType parameter = dtype.ParameterDType();
        long first = overColumns ? shape.Columns[0] : shape.Rows[0];
        BoundStep d = OuterVectors(run, parameter, shape.Rows, integers), e = OuterVectors(run, parameter, shape.Columns, integers);
        var (rows, columns) = ((OuterVectorsStep)d.Step, (OuterVectorsStep)e.Step);
        var source = new RandomSource(15, integers ? Distribution.Rademacher : Distributions[options % 4]);
        Operand m = run.Output("M", dtype, rows.Length * columns.Length / first * shape.Out), f = run.Output("F", dtype, 15 * 8);
        var step = new BlockOperandsStep(
            rows with { More = [columns] },
            new KroneckerMatrixStep(f, [new KroneckerMode(2, 5, 2, Contract: false), new KroneckerMode(3, 3, 4, Contract: false)], source) { Label = "F", Alpha = 0.5 },
            new CoreExpansionStep(m, new KroneckerMode(9, shape.Out, first, Contract: false), rows.Output, columns.Output, source, new CoreSource(source, 0, rows.Length, columns.Length))
            {
                Label = "M", OverColumns = overColumns, Alpha = 0.5,
            }) { Label = "test" };
        return new BoundStep(step, [.. d.Outputs, .. e.Outputs, f, m], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum);
    }

    private static IEnumerable<StepCase> Vectors()
    {
        foreach (long[] lengths in VectorLengths)
        {
            foreach (DType dtype in new[] { DType.Float32, DType.Float64 })
            {
                string name = string.Join('x', lengths);
                yield return new StepCase($"outer vectors {name}", dtype, run => OuterVectors(run, dtype, lengths));
                yield return new StepCase($"vector marginals {name} normal", dtype, run => VectorMarginals(run, dtype, lengths, integers: false));
                yield return new StepCase($"vector marginals {name} integers with a zero", dtype, run => VectorMarginals(run, dtype, lengths, integers: true));
                yield return new StepCase($"three outer vectors {name}", dtype, run => Together(lengths, each => OuterVectors(run, dtype, each)));
                yield return new StepCase($"three vector marginals {name} normal", dtype, run => Together(lengths, each => VectorMarginals(run, dtype, each, integers: false)));
                yield return new StepCase($"three vector marginals {name} integers", dtype, run => Together(lengths, each => VectorMarginals(run, dtype, each, integers: true)));
            }
        }
    }

    // Two more products of other sizes in the same step, the last one empty.
    private static BoundStep Together(long[] lengths, Func<long[], BoundStep> bind)
    {
        BoundStep first = bind(lengths), second = bind([4, 2100]), third = bind([3, 0]);
        Step together = first.Step switch
        {
            OuterVectorsStep step => step with { More = [(OuterVectorsStep)second.Step, (OuterVectorsStep)third.Step] },
            VectorMarginalsStep step => step with { More = [(VectorMarginalsStep)second.Step, (VectorMarginalsStep)third.Step] },
            _ => throw new InvalidOperationException($"{first.Step.GetType().Name} has no more products."),
        };
        return new BoundStep(together, [.. first.Outputs, .. second.Outputs, .. third.Outputs], first.Accuracy);
    }

    private static ImmutableArray<VectorOperand> VectorOperands(StepRunner run, DType dtype, long[] lengths, bool integers) =>
        [.. lengths.Select((length, i) => new VectorOperand(run.Input($"v{i}", dtype, Vector(length, (ulong)(20 + i), dtype, integers && i == 0, integers)), length))];

    // A zero in the first vector: the marginal of the others is exact, and its own is not zero.
    private static double[] Vector(long length, ulong seed, DType dtype, bool withZero, bool integers)
    {
        double[] values = integers ? SeededValues.NonZeroIntegers(length, seed, 2) : SeededValues.AwayFromZero(length, seed, dtype);
        if (withZero && length > 0)
        {
            values[0] = 0;
        }

        return values;
    }

    private static BoundStep OuterVectors(StepRunner run, DType dtype, long[] lengths, bool integers = false)
    {
        Operand output = run.Output("outer", dtype, lengths.Aggregate(1L, (product, length) => product * length));
        return new BoundStep(new OuterVectorsStep(VectorOperands(run, dtype, lengths, integers), output) { Label = "test" }, [output], StepAccuracy.Sum);
    }

    private static BoundStep VectorMarginals(StepRunner run, DType dtype, long[] lengths, bool integers)
    {
        long count = lengths.Aggregate(1L, (product, length) => product * length);
        Operand full = run.Input("full", dtype, integers ? SeededValues.NonZeroIntegers(count, 30, 4) : SeededValues.Normal(count, 30, dtype));
        ImmutableArray<VectorOperand> vectors = VectorOperands(run, dtype, lengths, integers);
        Operand[] gradients = [.. lengths.Select((length, i) => run.InOut($"g{i}", dtype, SeededValues.NonZeroIntegers(length, (ulong)(40 + i), 3)))];
        return new BoundStep(new VectorMarginalsStep(full, vectors, [.. gradients]) { Label = "test" }, gradients, integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> Elementwise()
    {
        foreach (long count in new long[] { 0, 1, 7, 255, 1025 })
        {
            foreach (DType from in AllDTypes)
            {
                foreach (DType to in AllDTypes.Where(to => (from == DType.Float64) == (to == DType.Float64)))
                {
                    yield return new StepCase($"convert {count} to {to.Label()}", from, run => Convert(run, from, to, count));
                }

                yield return new StepCase($"scaled add {count}", from, run => ScaledAdd(run, from, count, mixed: false, inPlace: false));
                yield return new StepCase($"scaled add {count} of parameters in place", from, run => ScaledAdd(run, from, count, mixed: true, inPlace: true));
                yield return new StepCase($"column sum {count}x3", from, run => ColumnSum(run, from, count, 3));
                yield return new StepCase($"column sum 5x{count}", from, run => ColumnSum(run, from, 5, count));
            }
        }
    }

    private static BoundStep Convert(StepRunner run, DType from, DType to, long count)
    {
        Operand output = run.Output("output", to, count);
        double[] values = SeededValues.Normal(count, 50, from, 3);
        for (int i = 0; i < count && i < 4; i++)
        {
            values[i] = Elements.Round(new[] { 1.00390625, double.NegativeInfinity, 1e-6, -65519 }[i], from);
        }

        return new BoundStep(new ConvertStep(run.Input("input", from, values), output, count) { Label = "test" }, [output], StepAccuracy.Exact);
    }

    private static BoundStep ScaledAdd(StepRunner run, DType dtype, long count, bool mixed, bool inPlace)
    {
        double[] values = SeededValues.Normal(count, 51, dtype);
        DType other = mixed ? dtype.ParameterDType() : dtype;
        Operand output = inPlace ? run.InOut("A", dtype, values) : run.Output("output", dtype, count);
        Operand a = inPlace ? output : run.Input("A", dtype, values);
        var step = new ScaledAddStep(a, run.Input("B", other, SeededValues.Normal(count, 52, other)), output, count) { Label = "test", Alpha = -0.3f };
        return new BoundStep(step, [output], StepAccuracy.Sum);
    }

    private static BoundStep ColumnSum(StepRunner run, DType dtype, long rows, long columns)
    {
        DType parameter = dtype.ParameterDType();
        Operand output = run.InOut("output", parameter, SeededValues.NonZeroIntegers(columns, 53, 3));
        return new BoundStep(
            new ColumnSumStep(run.Input("input", dtype, SeededValues.Normal(rows * columns, 54, dtype)), output, rows, columns) { Label = "test" },
            [output], StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> ScaledCopies()
    {
        (long Copies, long Rows, long Columns, long Margin)[] shapes =
        [
            (1, 1, 1, 0), (1, 3, 5, 2), (2, 0, 3, 1), (2, 3, 0, 1), (3, 4, 7, 0), (5, 1, 33, 3), (1, 7, 256, 8), (2, 16, 64, 64), (3, 9, 1030, 5), (17, 8, 31, 1), (1, 700, 40, 0),
            (2, 300, 65, 7), (2, 3, 4104, 8), (130, 5, 12, 4),
        ];
        int index = 0;
        foreach ((long Copies, long Rows, long Columns, long Margin) shape in shapes)
        {
            foreach (CopyOrder order in Enum.GetValues<CopyOrder>())
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++ % 4;
                    string name = $"{shape.Copies}x{shape.Rows}x{shape.Columns} +{shape.Margin} {order}";
                    yield return new StepCase($"scaled copies {name} options {options}", dtype, run => ScaledCopies(run, dtype, shape, order, options));
                    yield return new StepCase($"scaled copies' gradients {name} normal", dtype, run => ScaledCopiesGradient(run, dtype, dtype.ParameterDType(), shape, order, integers: false));
                    yield return new StepCase($"scaled copies' gradients {name} integers", dtype, run => ScaledCopiesGradient(run, dtype, dtype.ParameterDType(), shape, order, integers: true));
                    if (dtype != dtype.ParameterDType())
                    {
                        yield return new StepCase($"scaled copies' gradients {name} from {dtype.Label()}", dtype, run => ScaledCopiesGradient(run, dtype, dtype, shape, order, integers: true));
                    }
                }
            }
        }
    }

    private static BoundStep ScaledCopies(StepRunner run, DType dtype, (long Copies, long Rows, long Columns, long Margin) shape, CopyOrder order, int options)
    {
        (long copies, long rows, long columns, long margin) = shape;
        DType parameter = dtype.ParameterDType(), result = options == 3 ? parameter : dtype;
        Operand output = run.Output("output", result, copies * rows * columns);
        var step = new ScaledCopiesStep(run.Input("input", dtype, SeededValues.Normal(rows * (columns + margin), 60, dtype)), output, rows, columns)
        {
            Label = "test",
            Stride = columns + margin,
            Copies = copies,
            Order = order,
            RowScale = (options & 1) == 0 ? run.Input("rows", parameter, SeededValues.AwayFromZero(rows * copies, 61, parameter)) : null,
            ColumnScale = (options & 2) == 0 ? run.Input("columns", parameter, SeededValues.AwayFromZero(copies * columns, 62, parameter)) : null,
        };
        return new BoundStep(step, [output], StepAccuracy.Sum);
    }

    private static BoundStep ScaledCopiesGradient(StepRunner run, DType dtype, DType gradient, (long Copies, long Rows, long Columns, long Margin) shape, CopyOrder order, bool integers)
    {
        (long copies, long rows, long columns, long margin) = shape;
        DType parameter = dtype.ParameterDType();
        double[] Numbers(long count, ulong seed, DType of) => integers ? SeededValues.NonZeroIntegers(count, seed, 2) : SeededValues.Normal(count, seed, of);
        Operand rowGradient = run.InOut("row gradient", parameter, Numbers(rows * copies, 63, parameter));
        Operand columnGradient = run.InOut("column gradient", parameter, Numbers(copies * columns, 64, parameter));
        var step = new ScaledCopiesGradientStep(
            run.Input("E", gradient, Numbers(copies * rows * columns, 65, gradient)), run.Input("input", dtype, Numbers(rows * (columns + margin), 66, dtype)),
            run.Input("rows", parameter, Numbers(rows * copies, 67, parameter)), run.Input("columns", parameter, Numbers(copies * columns, 68, parameter)),
            rowGradient, columnGradient, rows, columns)
        {
            Label = "test",
            Stride = columns + margin,
            Copies = copies,
            Order = order,
        };
        return new BoundStep(step, [rowGradient, columnGradient], integers ? StepAccuracy.Exact : StepAccuracy.Sum);
    }

    private static IEnumerable<StepCase> Fills()
    {
        foreach (Distribution distribution in Distributions)
        {
            foreach (DType dtype in AllDTypes)
            {
                foreach ((long rows, long columns) in new[] { (0L, 4L), (1, 1), (3, 43), (17, 129) })
                {
                    yield return new StepCase($"fill {rows}x{columns} {distribution}", dtype, run =>
                    {
                        Operand output = run.Output("output", dtype, rows * columns);
                        var core = new CoreSource(new RandomSource(0x1234_5678_9abc_def0, distribution), 3, rows, columns);
                        return new BoundStep(new FillRandomStep(output, core) { Label = "test", Scale = 0.25 }, [output], StepAccuracy.Exact);
                    });
                }
            }
        }
    }

    private static IEnumerable<StepCase> Activations()
    {
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            foreach (DType dtype in AllDTypes)
            {
                foreach (long count in new long[] { 0, 1, 33, 1027 })
                {
                    yield return new StepCase($"{kind} {count}", dtype, run =>
                    {
                        Operand output = run.Output("output", dtype, count);
                        Operand input = run.Input("input", dtype, SeededValues.Normal(count, 60, dtype, 2));
                        return new BoundStep(new ActivationStep(kind, input, output, count) { Label = "test" }, [output], kind == ActivationKind.Relu ? StepAccuracy.Exact : StepAccuracy.Smooth);
                    });
                    yield return new StepCase($"{kind} gradient {count} {(count % 2 == 0 ? "" : "in place")}", dtype, run =>
                    {
                        double[] gradient = SeededValues.Normal(count, 62, dtype);
                        Operand input = run.Input("input", dtype, SeededValues.Normal(count, 61, dtype, 2));
                        Operand output = count % 2 == 0 ? run.Output("dx", dtype, count) : run.InOut("dy", dtype, gradient);
                        Operand outer = count % 2 == 0 ? run.Input("dy", dtype, gradient) : output;
                        return new BoundStep(new ActivationGradientStep(kind, input, outer, output, count) { Label = "test" }, [output], kind == ActivationKind.Relu ? StepAccuracy.Exact : StepAccuracy.Smooth);
                    });
                }
            }
        }
    }

    private static IEnumerable<StepCase> Losses()
    {
        foreach (DType dtype in AllDTypes)
        {
            foreach ((long rows, long columns) in new[] { (0L, 3L), (1, 1), (1, 10), (7, 3), (33, 65), (257, 10) })
            {
                yield return new StepCase($"squared error {rows}x{columns}", dtype, run =>
                {
                    Operand loss = run.Output("loss", dtype.ParameterDType(), 1), gradient = run.Output("gradient", dtype, rows * columns);
                    Operand prediction = run.Input("prediction", dtype, SeededValues.Normal(rows * columns, 70, dtype)), target = run.Input("target", dtype, SeededValues.Normal(rows * columns, 71, dtype));
                    return new BoundStep(new MeanSquaredErrorStep(prediction, target, loss, gradient, rows, columns) { Label = "test", LossScale = 8 }, [loss, gradient], StepAccuracy.Smooth);
                });
                yield return new StepCase($"cross-entropy {rows}x{columns}", dtype, run => CrossEntropy(run, dtype, rows, columns));
            }
        }
    }

    private static BoundStep CrossEntropy(StepRunner run, DType dtype, long rows, long columns)
    {
        int[] labels = [.. SeededValues.Integers(rows, 72, 1000).Select(draw => (int)((draw + 1000) % columns))];
        if (rows == 7)
        {
            (labels[2], labels[5]) = (-1, (int)columns);
        }

        Operand loss = run.Output("loss", dtype.ParameterDType(), 1), gradient = run.Output("gradient", dtype, rows * columns);
        Operand logits = run.Input("logits", dtype, SeededValues.Normal(rows * columns, 73, dtype, 5));
        int slot = run.Input("labels", MemoryMarshal.AsBytes(labels.AsSpan()).ToArray());
        return new BoundStep(new SoftmaxCrossEntropyStep(logits, slot, loss, gradient, rows, columns) { Label = "test", LossScale = 8 }, [loss, gradient], StepAccuracy.Smooth);
    }

    private static IEnumerable<StepCase> Optimizers()
    {
        long[][] tables = [[1], [5, 1, 300], [0, 33, 4097]];
        foreach (OptimizerKind kind in Enum.GetValues<OptimizerKind>())
        {
            foreach (DType dtype in new[] { DType.Float32, DType.Float64 })
            {
                foreach (long[] counts in tables)
                {
                    foreach (int stepsDone in new[] { 0, 9 })
                    {
                        yield return new StepCase($"{kind} of {string.Join('+', counts)} after {stepsDone}", dtype, run => Optimizer(run, kind, dtype, counts, stepsDone));
                    }
                }
            }
        }
    }

    private static BoundStep Optimizer(StepRunner run, OptimizerKind kind, DType dtype, long[] counts, int stepsDone)
    {
        Operand[] values = [.. counts.Select((count, i) => run.InOut($"w{i}", dtype, SeededValues.Normal(count, (ulong)(80 + i), dtype)))];
        Operand[] gradients = [.. counts.Select((count, i) => run.InOut($"g{i}", dtype, SeededValues.Normal(count, (ulong)(90 + i), dtype)))];
        long total = counts.Sum(), offset = 0;
        var segments = new ParameterSegment[counts.Length];
        for (int i = 0; i < counts.Length; offset += counts[i++])
        {
            segments[i] = new ParameterSegment { Value = run.AddressOf(values[i].Slot), Gradient = run.AddressOf(gradients[i].Slot), Offset = offset, Count = counts[i] };
        }

        var settings = new OptimizerSettings
        {
            LearningRate = 0.125f,
            Beta1 = 0.875f,
            Beta2 = 0.96875f,
            Epsilon = 1e-6f,
            WeightDecay = 0.25f,
            GradientScale = 0.5f,
            StepsDone = stepsDone,
            ClearGradients = stepsDone,
        };
        Operand first = run.InOut("m", dtype, SeededValues.Normal(total, 98, dtype));
        Operand second = run.InOut("v", dtype, [.. SeededValues.Normal(total, 99, dtype).Select(Math.Abs)]);
        int table = run.Input("segments", MemoryMarshal.AsBytes(segments.AsSpan()).ToArray());
        int numbers = run.InOut("settings", MemoryMarshal.AsBytes(new[] { settings }.AsSpan()).ToArray());
        var step = new OptimizerStep(kind, dtype, table, numbers, first.Slot, second.Slot, counts.Length, total) { Label = "test" };
        return new BoundStep(step, [.. values, .. gradients, first, second], StepAccuracy.Smooth);
    }
}
