namespace TeRA.Kernels.Steps;

/// <summary>
/// A product, then a matrix of random numbers, which devices may begin while the product ends: the same results, to the last bit, as one after the other. Neither
/// reads or writes what the other writes.
/// </summary>
/// <param name="Product">What comes first.</param>
/// <param name="Fill">What may begin on the multiprocessors that the product's last tiles leave idle.</param>
internal sealed record FilledProductStep(MatrixProductStep Product, FillRandomStep Fill) : Step
{
    /// <inheritdoc/>
    public override double Operations => Product.Operations + Fill.Operations;

    /// <inheritdoc/>
    public override double Bytes => Product.Bytes + Fill.Bytes;
}
