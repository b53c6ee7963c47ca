using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>How each kind of dense operator becomes a matrix in the activations' dtype, and where its gradient goes.</summary>
/// <param name="update">Whose operators they are.</param>
internal sealed class DenseOperators(WeightUpdate update)
{
    /// <summary>Whether something in the operator is trained.</summary>
    public static bool Trains(UpdateOperator candidate) => Stored(candidate) is TrainedOperator or ScaledOperator;

    /// <summary>The operator's matrix: filled, converted, scaled, or what lies in memory already.</summary>
    /// <param name="pass">Where steps go.</param>
    /// <param name="operation">Any but the identity.</param>
    /// <param name="name">Of its buffer.</param>
    public MatrixView Load(PassBuilder pass, UpdateOperator operation, string name)
    {
        if (operation is TransposedOperator { Inner: { } inner })
        {
            return Load(pass, inner, name).T;
        }

        return pass.Known(name) is { } known
            ? new MatrixView(known, operation.Rows, operation.Columns)
            : operation switch
            {
                TrainedOperator trained => Converted(pass, trained, name),
                RandomOperator random => Filled(pass, random, name, pass.Problem.DType),
                StoredOperator stored => Copied(pass, stored, name),
                ScaledOperator scaled => Scaled(pass, scaled, name),
                _ => throw new NotSupportedException($"The update '{update.Method}' has a {operation.GetType().Name}, which is no dense matrix."),
            };
    }

    /// <summary>The trained values themselves.</summary>
    public MatrixView Raw(PassBuilder pass, TrainedOperator trained) =>
        new(pass.Parameter(trained.Trained, update.Trained[trained.Trained].Name, trained.Rows * trained.Columns), trained.Rows, trained.Columns);

    /// <summary>What the gradient of an operator's matrix is written to: the parameter's own, or a scratch from which the scales' gradients are taken.</summary>
    public MatrixView Gradient(PassBuilder pass, UpdateOperator operation, string name, out bool accumulate)
    {
        UpdateOperator stored = Stored(operation);
        accumulate = stored is TrainedOperator;
        Operand buffer = stored is TrainedOperator trained
            ? pass.ParameterGradient(trained.Trained, update.Trained[trained.Trained].Name, trained.Rows * trained.Columns)
            : pass.Scratch("d" + name, SummedDType(pass.Problem), stored.Rows * stored.Columns);
        var view = new MatrixView(buffer, stored.Rows, stored.Columns);
        return operation is TransposedOperator ? view.T : view;
    }

    /// <summary>What the gradient is of, in words.</summary>
    public string TrainedName(UpdateOperator operation, string name) =>
        Stored(operation) is TrainedOperator trained ? update.Trained[trained.Trained].Name : name;

    /// <summary>For a scaled operator, the step from its matrix's gradient to its scales'.</summary>
    public void AddScaleGradients(PassBuilder pass, UpdateOperator operation, string name)
    {
        if (Stored(operation) is not ScaledOperator scaled)
        {
            return;
        }

        Operand gradient = pass.Scratch("d" + name, SummedDType(pass.Problem), scaled.Rows * scaled.Columns);
        (Operand matrix, long stride) = Frozen(pass, scaled.Matrix, name);
        TrainedTensor rows = update.Trained[scaled.RowScale], columns = update.Trained[scaled.ColumnScale];
        pass.Add(new ScaledCopiesGradientStep(
            gradient, matrix, RowScale(pass, scaled), ColumnScale(pass, scaled), pass.ParameterGradient(scaled.RowScale, rows.Name, rows.Count),
            pass.ParameterGradient(scaled.ColumnScale, columns.Name, columns.Count), scaled.Matrix.Rows, scaled.Columns)
        {
            Label = $"gradients of {rows.Name}, {columns.Name} += sums of d{name}", Stride = stride, Copies = scaled.Copies, Order = scaled.Order,
        });
    }

    /// <summary>
    /// Of a matrix's gradient that only its sums are needed of: bfloat16 where activations are, which halves its traffic and has float32's range. Float16 would lose
    /// small ones.
    /// </summary>
    private static DType SummedDType(LayerProblem problem) => problem.DType == DType.BFloat16 ? DType.BFloat16 : problem.ParameterDType;

    /// <summary>The operator as it lies in memory.</summary>
    private static UpdateOperator Stored(UpdateOperator operation) => operation is TransposedOperator transposed ? transposed.Inner : operation;

    private static MatrixView Filled(PassBuilder pass, RandomOperator random, string name, DType dtype)
    {
        Operand filled = pass.Scratch(name, dtype, random.Rows * random.Columns);
        pass.Add(new FillRandomStep(filled, new CoreSource(random.Source, random.Stream, random.Rows, random.Columns)) { Label = $"{name} = random stream {random.Stream}" });
        return new MatrixView(filled, random.Rows, random.Columns);
    }

    private MatrixView Converted(PassBuilder pass, TrainedOperator trained, string name)
    {
        MatrixView raw = Raw(pass, trained);
        if (raw.Operand.DType == pass.Problem.DType)
        {
            return raw;
        }

        Operand converted = Made(pass, trained, name);
        pass.Add(new ConvertStep(raw.Operand, converted, trained.Rows * trained.Columns)
        {
            Label = $"{name} = {update.Trained[trained.Trained].Name} in {pass.Problem.DType.Label()}",
        });
        return raw with { Operand = converted };
    }

    private MatrixView Copied(PassBuilder pass, StoredOperator stored, string name)
    {
        (Operand matrix, long stride) = Frozen(pass, stored, name);
        if (stride == stored.Columns && matrix.DType == pass.Problem.DType)
        {
            return new MatrixView(matrix, stored.Rows, stored.Columns);
        }

        Operand copy = pass.Scratch(name, pass.Problem.DType, stored.Rows * stored.Columns);
        pass.Add(new ScaledCopiesStep(matrix, copy, stored.Rows, stored.Columns)
        {
            Label = $"{name} = part of {update.Stored[stored.Stored].Name} in {pass.Problem.DType.Label()}", Stride = stride,
        });
        return new MatrixView(copy, stored.Rows, stored.Columns);
    }

    private MatrixView Scaled(PassBuilder pass, ScaledOperator scaled, string name)
    {
        (Operand matrix, long stride) = Frozen(pass, scaled.Matrix, name);
        Operand result = Made(pass, scaled, name);
        string rows = update.Trained[scaled.RowScale].Name, columns = update.Trained[scaled.ColumnScale].Name;
        pass.Add(new ScaledCopiesStep(matrix, result, scaled.Matrix.Rows, scaled.Columns)
        {
            Label = scaled.Copies == 1 ? $"{name} scaled by {rows}, {columns}" : $"{name} = {scaled.Copies} copies scaled by {rows}, {columns}",
            Stride = stride, Copies = scaled.Copies, Order = scaled.Order, RowScale = RowScale(pass, scaled), ColumnScale = ColumnScale(pass, scaled),
        });
        return new MatrixView(result, scaled.Rows, scaled.Columns);
    }

    /// <summary>A matrix with trained numbers in the activations' dtype; forward leaves it for backward where it is narrow.</summary>
    private static Operand Made(PassBuilder pass, UpdateOperator operation, string name) => pass.ScratchOrKept(
        name, pass.Problem.DType, operation.Rows * operation.Columns, pass.Problem.KeepsMatrix(Math.Min(operation.Rows, operation.Columns)));

    /// <summary>A frozen matrix and the distance of its rows: given ones in place, random ones in the parameters' dtype, since they are small.</summary>
    private (Operand Matrix, long Stride) Frozen(PassBuilder pass, UpdateOperator matrix, string name)
    {
        if (matrix is StoredOperator stored)
        {
            StoredTensor tensor = update.Stored[stored.Stored];
            return (pass.Stored(stored.Stored, tensor), tensor.Stride);
        }

        string unscaled = name + " unscaled";
        var random = (RandomOperator)matrix;
        return (pass.Known(unscaled) ?? Filled(pass, random, unscaled, pass.Problem.ParameterDType).Operand, random.Columns);
    }

    private Operand RowScale(PassBuilder pass, ScaledOperator scaled) =>
        pass.Parameter(scaled.RowScale, update.Trained[scaled.RowScale].Name, update.Trained[scaled.RowScale].Count);

    private Operand ColumnScale(PassBuilder pass, ScaledOperator scaled) =>
        pass.Parameter(scaled.ColumnScale, update.Trained[scaled.ColumnScale].Name, update.Trained[scaled.ColumnScale].Count);
}
