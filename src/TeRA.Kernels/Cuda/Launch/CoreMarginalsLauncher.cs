using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="CoreMarginalsStep"/> by kernels/gemm/core_marginals.cu.</summary>
internal sealed class CoreMarginalsLauncher : CompiledStep
{
    private readonly CoreMarginalsStep step;
    private readonly CoreMarginalsPass pass;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernels don't take.</exception>
    public CoreMarginalsLauncher(CudaDevice device, CoreMarginalsStep step)
    {
        CheckDTypes(step);
        this.step = step;
        pass = new CoreMarginalsPass(device, step.Core, step.H.DType, 1, step.Alpha);
    }

    /// <inheritdoc/>
    public override long WorkspaceBytes => pass.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => pass.Launches;

    /// <inheritdoc/>
    public override string Description => pass.Description;

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream) => pass.Launch(
        addresses[step.H.Slot],
        addresses[Step.WorkspaceSlot],
        (addresses[step.RowScale.Slot], addresses[step.ColumnScale.Slot]),
        (addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot]),
        stream);

    private static void CheckDTypes(CoreMarginalsStep step)
    {
        if (step.Generated is not null)
        {
            throw new NotSupportedException($"{step.Label}: a core in memory is read only beside the product that makes H; without it, it is regenerated.");
        }

        ProductKernels.Require(ElementGrid.DTypes.Contains(step.H.DType), step.Label, "H", step.H.DType, "float32, bfloat16 or float16");
        foreach ((string name, Operand operand) in new[]
        {
            ("RowScale", step.RowScale), ("ColumnScale", step.ColumnScale), ("RowGradient", step.RowGradient), ("ColumnGradient", step.ColumnGradient),
        })
        {
            ProductKernels.Require(operand.DType == DType.Float32, step.Label, name, operand.DType, "float32");
        }
    }
}
