using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>A matrix in a buffer, as it lies or transposed: what products of matrices are written with.</summary>
/// <param name="Operand">The buffer; contiguous.</param>
/// <param name="Rows">Rows of the matrix (not of what lies in memory, when transposed).</param>
/// <param name="Columns">Columns of the matrix.</param>
/// <param name="Layout">How it lies.</param>
internal readonly record struct MatrixView(Operand Operand, long Rows, long Columns, Layout Layout = Layout.Normal)
{
    /// <summary>The transpose, in the same memory.</summary>
    public MatrixView T => new(Operand, Columns, Rows, Layout == Layout.Normal ? Layout.Transposed : Layout.Normal);

    /// <summary>The step this = alpha·a·b, with this lying either way.</summary>
    public MatrixProductStep Product(string label, MatrixView a, MatrixView b, double alpha = 1, bool accumulate = false) => Layout == Layout.Transposed
        ? T.Product(label, b.T, a.T, alpha, accumulate)
        : new MatrixProductStep(a.Operand, b.Operand, Operand, Rows, Columns, a.Columns)
        {
            Label = label, LayoutA = a.Layout, LayoutB = b.Layout, Alpha = alpha, AddTo = accumulate ? Operand : null,
        };
}
