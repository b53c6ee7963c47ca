using System.Collections.Immutable;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// A slow, obvious float64 interpreter of every step, written from the step records' formulas and sharing no code with any device,
/// except the random elements of <see cref="RandomFactor"/> (which tests hold against <see cref="ScalarFactor"/>).
/// </summary>
internal sealed class NaiveSteps(INaiveMemory memory, Magnitude magnitude = Magnitude.Value)
{
    /// <summary>Executes one step.</summary>
    public void Run(Step step)
    {
        switch (step)
        {
            case MatrixProductStep s: MatrixProduct(s); break;
            case FilledProductStep s: Run(s.Product); Run(s.Fill); break;
            case KroneckerStep s: Kronecker(s); break;
            case CoreProductStep s: CoreProduct(s); break;
            case CoreProjectionStep s: CoreProjection(s); break;
            case CoreExpansionStep s: CoreExpansion(s); break;
            case CoreMarginalsStep s: CoreMarginals(s); break;
            case KroneckerMatrixStep s: KroneckerMatrix(s); break;
            case KroneckerMatricesStep s: KroneckerMatrices(s); break;
            case BlockOperandsStep s: BlockOperands(s); break;
            case OuterVectorsStep s: OuterVectors(s); break;
            case VectorMarginalsStep s: VectorMarginals(s); break;
            case ConvertStep s: memory.Write(s.Output, Read(s.Input, s.Count)); break;
            case ScaledAddStep s: ScaledAdd(s); break;
            case ColumnSumStep s: ColumnSum(s); break;
            case FillRandomStep s: FillRandom(s); break;
            case ScaledCopiesStep s: ScaledCopies(s); break;
            case ScaledCopiesGradientStep s: ScaledCopiesGradient(s); break;
            case ActivationStep s: Activation(s); break;
            case ActivationGradientStep s: ActivationGradient(s); break;
            case MeanSquaredErrorStep s: MeanSquaredError(s); break;
            case SoftmaxCrossEntropyStep s: SoftmaxCrossEntropy(s); break;
            case OptimizerStep s: Optimizer(s); break;
            default: throw new NotSupportedException($"{step.GetType().Name} has no naive form yet; add it to NaiveSteps.");
        }
    }

    /// <summary>All elements of a generated matrix, row-major.</summary>
    public static double[] Factor(RandomSource source, uint stream, long count)
    {
        var elements = new float[count];
        RandomFactor.Fill(elements, source, stream);
        return Array.ConvertAll(elements, element => (double)element);
    }

    private double Of(double value) => magnitude switch
    {
        Magnitude.Absolute => Math.Abs(value),
        Magnitude.Square => value * value,
        _ => value,
    };

    private double[] Of(double[] values) => Array.ConvertAll(values, Of);

    private double[] Read(Operand operand, long count) => Of(memory.Read(operand, count));

    private double[] Generate(CoreSource core) => Of(Factor(core.Source, core.Stream, core.R * core.S));

    private double[] Ones(Operand? operand, long count) => operand is { } present ? Read(present, count) : [.. Enumerable.Repeat(1.0, (int)count)];

    private void MatrixProduct(MatrixProductStep s)
    {
        double[] a = Read(s.A, s.M * s.K), b = Read(s.B, s.K * s.N);
        double[] c = s.AddTo is { } addend ? Read(addend, s.M * s.N) : new double[s.M * s.N];
        double[]? bias = s.Bias is { } present ? Read(present, s.N) : null;
        double[]? more = s.Blocks is { } blocks ? Blocks(s, blocks) : null;
        Parallel.For(0, s.M, m =>
        {
            for (long n = 0; n < s.N; n++)
            {
                double sum = 0;
                for (long k = 0; k < s.K; k++)
                {
                    double left = s.LayoutA == Layout.Normal ? a[(m * s.K) + k] : a[(k * s.M) + m];
                    double right = s.LayoutB == Layout.Normal ? b[(k * s.N) + n] : b[(n * s.K) + k];
                    sum += left * right;
                }

                c[(m * s.N) + n] += (Of(s.Alpha) * (sum + (more?[(m * s.N) + n] ?? 0))) + (bias?[n] ?? 0);
            }
        });

        memory.Write(s.C, c);
    }

    private double[] Blocks(MatrixProductStep s, BlockProduct blocks)
    {
        long w = blocks.Columns, depth = blocks.K, pitch = s.N / w * depth;
        double[] a = Read(blocks.A, s.M * pitch), b = Read(blocks.B, depth * w), sums = new double[s.M * s.N];
        for (long m = 0; m < s.M; m++)
        {
            for (long n = 0; n < s.N; n++)
            {
                for (long k = 0; k < depth; k++)
                {
                    double right = blocks.LayoutB == Layout.Normal ? b[(k * w) + (n % w)] : b[(n % w * depth) + k];
                    sums[(m * s.N) + n] += a[(m * pitch) + (n / w * depth) + k] * right;
                }
            }
        }

        return sums;
    }

    private void KroneckerMatrix(KroneckerMatrixStep s)
    {
        double[] scale = s.Scales.Select((vector, m) => Read(vector, s.Modes[m].In)).Aggregate(new[] { Of(s.Alpha) }, (product, vector) => [.. product.SelectMany(x => vector.Select(y => x * y))]);
        bool scaled = !s.Scales.IsEmpty;
        memory.Write(s.Output, [.. KroneckerMatrix(s.Modes, s.Factors).Select((value, i) => value * scale[scaled ? i % s.In : 0])]);
    }

    private void KroneckerMatrices(KroneckerMatricesStep s)
    {
        foreach (Step part in s.Matrices.Cast<Step>().Prepend(s.Diagonals).OfType<Step>())
        {
            Run(part);
        }
    }

    // The whole Kronecker matrix, element by element from the digits of its two multi-indices.
    private double[] KroneckerMatrix(ImmutableArray<KroneckerMode> modes, RandomSource source)
    {
        double[][] factors = [.. modes.Select(mode => Of(Factor(source, mode.Stream, mode.FactorRows * mode.FactorColumns)))];
        long height = modes.Aggregate(1L, (product, mode) => product * mode.Out), width = modes.Aggregate(1L, (product, mode) => product * mode.In);
        var matrix = new double[height * width];
        Parallel.For(0, height, row =>
        {
            for (long column = 0; column < width; column++)
            {
                double product = 1;
                long rows = row, columns = column;
                for (int m = modes.Length - 1; m >= 0; m--)
                {
                    KroneckerMode mode = modes[m];
                    long output = rows % mode.Out, input = columns % mode.In;
                    rows /= mode.Out;
                    columns /= mode.In;
                    product *= mode.Contract ? factors[m][(input * mode.FactorColumns) + output] : factors[m][(output * mode.FactorColumns) + input];
                }

                matrix[(row * width) + column] = product;
            }
        });

        return matrix;
    }

    private void Kronecker(KroneckerStep s) => memory.Write(s.Output, KroneckerProduct(s));

    private double[] KroneckerProduct(KroneckerStep s)
    {
        double[] input = s.Core is { } core ? Generate(core) : Read(s.Input!.Value, s.Outer * s.In * s.Inner);
        double[] scale = Ones(s.InputScale, s.In), matrix = KroneckerMatrix(s.Modes, s.Factors);
        double[] output = s.AddTo is { } addTo ? Read(addTo, s.Outer * s.Out * s.Inner) : new double[s.Outer * s.Out * s.Inner];
        (long height, long width) = (s.Out, s.In);
        Parallel.For(0, s.Outer * height, index =>
        {
            (long o, long row) = Math.DivRem(index, height);
            for (long i = 0; i < s.Inner; i++)
            {
                double sum = 0;
                for (long column = 0; column < width; column++)
                {
                    sum += matrix[(row * width) + column] * scale[column] * input[(((o * width) + column) * s.Inner) + i];
                }

                long place = s.TransposedOutput ? (row * s.Outer) + o : (((o * height) + row) * s.Inner) + i;
                output[place] += Of(s.Alpha) * sum;
            }
        });

        return output;
    }

    private void CoreProduct(CoreProductStep s)
    {
        (long r, long c) = (s.Core.R, s.Core.S);
        (long length, long width) = s.OverRows ? (r, c) : (c, r);
        double[] a = Read(s.A, s.Tokens * length), scale = Ones(s.Scale, length), core = Generate(s.Core);
        var result = new double[s.Tokens * width];
        for (long b = 0; b < s.Tokens; b++)
        {
            for (long o = 0; o < width; o++)
            {
                double sum = 0;
                for (long i = 0; i < length; i++)
                {
                    sum += a[(b * length) + i] * scale[i] * (s.OverRows ? core[(i * c) + o] : core[(o * c) + i]);
                }

                result[(b * width) + o] = Of(s.Alpha) * sum;
            }
        }

        memory.Write(s.C, result);
    }

    private void CoreProjection(CoreProjectionStep s)
    {
        (long rows, long columns) = (s.Core.R, s.Core.S);
        double[] q = Read(s.Q, s.Tokens * rows), p = Read(s.P, s.Tokens * columns), core = Generate(s.Core);
        double[] d = Read(s.RowScale, rows), e = Read(s.ColumnScale, columns);
        var rowGradient = new double[rows];
        var columnGradient = new double[columns];
        for (long r = 0; r < rows; r++)
        {
            for (long c = 0; c < columns; c++)
            {
                double h = 0;
                for (long b = 0; b < s.Tokens; b++)
                {
                    h += q[(b * rows) + r] * p[(b * columns) + c];
                }

                rowGradient[r] += Of(s.Alpha) * h * core[(r * columns) + c] * e[c];
                columnGradient[c] += Of(s.Alpha) * h * core[(r * columns) + c] * d[r];
            }
        }

        memory.Write(s.RowGradient, rowGradient);
        memory.Write(s.ColumnGradient, columnGradient);
    }

    private void CoreExpansion(CoreExpansionStep s)
    {
        (long r, long c) = (s.Core.R, s.Core.S);
        (long contracted, long width) = s.OverColumns ? (c, r) : (r, c);
        double[] core = Generate(s.Core), d = Ones(s.RowScale, r), e = Ones(s.ColumnScale, c), first = KroneckerMatrix([s.First], s.Factors);
        long rest = contracted / s.First.In;
        var output = new double[s.First.Out * rest * width];
        for (long o = 0; o < s.First.Out; o++)
        {
            for (long contractedIndex = 0; contractedIndex < contracted; contractedIndex++)
            {
                (long i1, long i) = Math.DivRem(contractedIndex, rest);
                for (long other = 0; other < width; other++)
                {
                    (long row, long column) = s.OverColumns ? (other, contractedIndex) : (contractedIndex, other);
                    output[(((o * rest) + i) * width) + other] += Of(s.Alpha) * first[(o * s.First.In) + i1] * d[row] * core[(row * c) + column] * e[column];
                }
            }
        }

        memory.Write(s.Output, output);
    }

    private void BlockOperands(BlockOperandsStep s)
    {
        foreach (Step part in new Step?[] { s.Diagonals, s.Modes, s.Core }.OfType<Step>())
        {
            Run(part);
        }
    }

    private void CoreMarginals(CoreMarginalsStep s)
    {
        (long rows, long columns) = (s.Core.R, s.Core.S);
        double[] h = s.Contraction is { } product ? KroneckerProduct(product) : Read(s.H, rows * columns);
        double[] core = s.Generated is { } stored ? Array.ConvertAll(Read(stored, rows * columns), value => Of(s.Core.Source.Distribution.Unit) * value) : Generate(s.Core);
        double[] d = Read(s.RowScale, rows), e = Read(s.ColumnScale, columns);
        var rowGradient = new double[rows];
        var columnGradient = new double[columns];
        for (long r = 0; r < rows; r++)
        {
            for (long c = 0; c < columns; c++)
            {
                double term = Of(s.Alpha) * h[(r * columns) + c] * core[(r * columns) + c];
                rowGradient[r] += term * e[c];
                columnGradient[c] += term * d[r];
            }
        }

        memory.Write(s.RowGradient, rowGradient);
        memory.Write(s.ColumnGradient, columnGradient);
    }

    private void OuterVectors(OuterVectorsStep s)
    {
        memory.Write(s.Output, OuterProduct(s.Vectors, -1));
        foreach (OuterVectorsStep more in s.More)
        {
            OuterVectors(more);
        }
    }

    private double[] OuterProduct(ImmutableArray<VectorOperand> vectors, int leftOut)
    {
        double[][] values = [.. vectors.Select(vector => Read(vector.Operand, vector.Length))];
        long length = vectors.Aggregate(1L, (product, vector) => product * vector.Length);
        var outer = new double[length];
        for (long i = 0; i < length; i++)
        {
            double product = 1;
            for (int n = 0; n < vectors.Length; n++)
            {
                product *= n == leftOut ? 1 : values[n][Digit(vectors, i, n)];
            }

            outer[i] = product;
        }

        return outer;
    }

    private static long Digit(ImmutableArray<VectorOperand> vectors, long index, int n)
    {
        for (int m = vectors.Length - 1; m > n; m--)
        {
            index /= vectors[m].Length;
        }

        return index % vectors[n].Length;
    }

    private void VectorMarginals(VectorMarginalsStep s)
    {
        double[] full = Read(s.Full, s.Length);
        for (int n = 0; n < s.Vectors.Length; n++)
        {
            double[] gradient = Read(s.Gradients[n], s.Vectors[n].Length), others = OuterProduct(s.Vectors, n);
            for (long i = 0; i < s.Length; i++)
            {
                gradient[Digit(s.Vectors, i, n)] += full[i] * others[i];
            }

            memory.Write(s.Gradients[n], gradient);
        }

        foreach (VectorMarginalsStep more in s.More)
        {
            VectorMarginals(more);
        }
    }

    private void ScaledAdd(ScaledAddStep s)
    {
        double[] a = Read(s.A, s.Count), b = Read(s.B, s.Count);
        memory.Write(s.Output, [.. a.Zip(b, (x, y) => x + (Of(s.Alpha) * y))]);
    }

    private void ColumnSum(ColumnSumStep s)
    {
        double[] input = Read(s.Input, s.Rows * s.Columns), sums = Read(s.Output, s.Columns);
        for (long i = 0; i < input.Length; i++)
        {
            sums[i % s.Columns] += input[i];
        }

        memory.Write(s.Output, sums);
    }

    private void FillRandom(FillRandomStep s) => memory.Write(s.Output, Array.ConvertAll(Generate(s.Core), element => Of(s.Scale) * element));

    private void Activation(ActivationStep s) =>
        memory.Write(s.Output, Array.ConvertAll(memory.Read(s.Input, s.Count), x => Activate(s.Kind, x)));

    private static double Activate(ActivationKind kind, double x) => kind switch
    {
        ActivationKind.Relu => x > 0 || double.IsNaN(x) ? x : 0,
        _ => x * NormalDistribution.Cumulative(x),
    };

    private void ActivationGradient(ActivationGradientStep s)
    {
        double[] x = memory.Read(s.Input, s.Count), gradient = memory.Read(s.OutputGradient, s.Count);
        memory.Write(s.InputGradient, [.. gradient.Zip(x, (g, value) => g * Derivative(s.Kind, value))]);
    }

    private static double Derivative(ActivationKind kind, double x) => kind switch
    {
        ActivationKind.Relu => double.IsNaN(x) ? x : x > 0 ? 1 : 0,
        _ => NormalDistribution.Cumulative(x) + (x * NormalDistribution.Density(x)),
    };

    // Only the elements that the formula reads exist for sure: the last row may end before its stride does.
    private static long Extent(long rows, long columns, long stride) => rows == 0 || columns == 0 ? 0 : ((rows - 1) * stride) + columns;

    private static long Number(CopyOrder order, long rows, long copies, long row, long copy) => order == CopyOrder.CopyByCopy ? (copy * rows) + row : (row * copies) + copy;

    private void ScaledCopies(ScaledCopiesStep s)
    {
        double[] input = Read(s.Input, Extent(s.Rows, s.Columns, s.Stride));
        double[] lambda = Ones(s.RowScale, s.Rows * s.Copies), gamma = Ones(s.ColumnScale, s.Copies * s.Columns);
        var output = new double[s.Copies * s.Rows * s.Columns];
        for (long b = 0; b < s.Copies; b++)
        {
            for (long row = 0; row < s.Rows; row++)
            {
                long j = Number(s.Order, s.Rows, s.Copies, row, b);
                for (long k = 0; k < s.Columns; k++)
                {
                    output[(j * s.Columns) + k] = lambda[(row * s.Copies) + b] * input[(row * s.Stride) + k] * gamma[(b * s.Columns) + k];
                }
            }
        }

        memory.Write(s.Output, output);
    }

    private void ScaledCopiesGradient(ScaledCopiesGradientStep s)
    {
        double[] gradient = Read(s.Gradient, s.Copies * s.Rows * s.Columns), input = Read(s.Input, Extent(s.Rows, s.Columns, s.Stride));
        double[] lambda = Read(s.RowScale, s.Rows * s.Copies), gamma = Read(s.ColumnScale, s.Copies * s.Columns);
        double[] rowGradient = Read(s.RowGradient, s.Rows * s.Copies), columnGradient = Read(s.ColumnGradient, s.Copies * s.Columns);
        for (long b = 0; b < s.Copies; b++)
        {
            for (long row = 0; row < s.Rows; row++)
            {
                long j = Number(s.Order, s.Rows, s.Copies, row, b);
                for (long k = 0; k < s.Columns; k++)
                {
                    double term = gradient[(j * s.Columns) + k] * input[(row * s.Stride) + k];
                    rowGradient[(row * s.Copies) + b] += term * gamma[(b * s.Columns) + k];
                    columnGradient[(b * s.Columns) + k] += term * lambda[(row * s.Copies) + b];
                }
            }
        }

        memory.Write(s.RowGradient, rowGradient);
        memory.Write(s.ColumnGradient, columnGradient);
    }

    private void MeanSquaredError(MeanSquaredErrorStep s)
    {
        long count = s.Rows * s.Columns;
        double[] prediction = memory.Read(s.Prediction, count), target = memory.Read(s.Target, count);
        double[] difference = [.. prediction.Zip(target, (x, t) => x - t)];
        memory.Write(s.Loss, [count == 0 ? 0 : difference.Sum(x => x * x) / count]);
        if (s.Gradient is { } gradient)
        {
            memory.Write(gradient, Array.ConvertAll(difference, x => 2 * x / count * s.LossScale));
        }
    }

    private void SoftmaxCrossEntropy(SoftmaxCrossEntropyStep s)
    {
        double[] logits = memory.Read(s.Logits, s.Rows * s.Columns);
        int[] labels = memory.ReadRaw<int>(s.LabelsSlot, s.Rows);
        var gradient = new double[logits.Length];
        double loss = 0;
        for (long b = 0; b < s.Rows; b++)
        {
            double[] row = logits[(int)(b * s.Columns)..(int)((b + 1) * s.Columns)];
            double largest = row.Max(), total = row.Sum(x => Math.Exp(x - largest));
            bool legal = labels[b] >= 0 && labels[b] < s.Columns;
            loss += legal ? Math.Log(total) + largest - row[labels[b]] : double.NaN;
            for (long c = 0; c < s.Columns; c++)
            {
                double softmax = Math.Exp(row[c] - largest) / total;
                gradient[(b * s.Columns) + c] = legal ? (softmax - (c == labels[b] ? 1 : 0)) / s.Rows * s.LossScale : double.NaN;
            }
        }

        memory.Write(s.Loss, [s.Rows == 0 ? 0 : loss / s.Rows]);
        if (s.Gradient is { } wanted)
        {
            memory.Write(wanted, gradient);
        }
    }

    private void Optimizer(OptimizerStep s)
    {
        OptimizerSettings settings = memory.ReadRaw<OptimizerSettings>(s.SettingsSlot, 1)[0];
        double[] first = memory.Read(new Operand(s.FirstMomentSlot, s.DType), s.Total);
        double[] second = s.Kind == OptimizerKind.AdamW ? memory.Read(new Operand(s.SecondMomentSlot, s.DType), s.Total) : [];
        foreach (ParameterSegment segment in memory.ReadRaw<ParameterSegment>(s.SegmentsSlot, s.Segments))
        {
            double[] values = memory.ReadAt(segment.Value, s.DType, segment.Count), gradients = memory.ReadAt(segment.Gradient, s.DType, segment.Count);
            for (long i = 0; i < segment.Count; i++)
            {
                double gradient = gradients[i] * settings.GradientScale;
                values[i] = s.Kind == OptimizerKind.AdamW
                    ? AdamW(settings, values[i], gradient, ref first[segment.Offset + i], ref second[segment.Offset + i])
                    : Sgd(settings, values[i], gradient, ref first[segment.Offset + i]);
            }

            memory.WriteAt(segment.Value, s.DType, values);
            if (settings.ClearGradients != 0)
            {
                memory.WriteAt(segment.Gradient, s.DType, new double[segment.Count]);
            }
        }

        memory.Write(new Operand(s.FirstMomentSlot, s.DType), first);
        if (s.Kind == OptimizerKind.AdamW)
        {
            memory.Write(new Operand(s.SecondMomentSlot, s.DType), second);
        }

        settings.StepsDone++;
        memory.WriteRaw(s.SettingsSlot, [settings]);
    }

    private static double Sgd(OptimizerSettings settings, double value, double gradient, ref double velocity)
    {
        double decayed = gradient + (settings.WeightDecay * value);
        velocity = settings.StepsDone == 0 || settings.Beta1 == 0 ? decayed : (settings.Beta1 * velocity) + decayed;
        return value - (settings.LearningRate * velocity);
    }

    private static double AdamW(OptimizerSettings settings, double value, double gradient, ref double first, ref double second)
    {
        int step = settings.StepsDone + 1;
        value -= (double)settings.LearningRate * settings.WeightDecay * value;
        first = (settings.Beta1 * first) + ((1 - (double)settings.Beta1) * gradient);
        second = (settings.Beta2 * second) + ((1 - (double)settings.Beta2) * gradient * gradient);
        double mean = first / (1 - Math.Pow(settings.Beta1, step)), variance = second / (1 - Math.Pow(settings.Beta2, step));
        return value - (settings.LearningRate * mean / (Math.Sqrt(variance) + settings.Epsilon));
    }
}
