using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The gradients of the core's diagonals by Hopper's own instructions: H = Qᵀ·P into the workspace in float32, in as many layers as the
/// product's sum has parts, then <see cref="CoreMarginalsPass"/>, which generates each element of the core once. (Multiplying the core into the
/// product's accumulators instead generates it once for each part, with too few warps to hide it: bench/NOTES.md.)
/// Steps that <see cref="Rejection"/> names go to the portable engine, and so do runs whose addresses miss 16 bytes.
/// </summary>
internal sealed class WgmmaProjectionLauncher : CompiledStep
{
    // The partial sums lie behind H.
    private const long Alignment = 256;

    private readonly CoreProjectionStep step;
    private readonly CoreProjectionLauncher portable;
    private readonly WgmmaProductLauncher product;
    private readonly CoreMarginalsPass marginals;
    private readonly long productBytes;

    private WgmmaProjectionLauncher(CudaDevice device, CoreProjectionStep step)
    {
        this.step = step;
        portable = new CoreProjectionLauncher(device, step);
        product = WgmmaProductLauncher.InLayers(device, Product(step));
        marginals = new CoreMarginalsPass(device, step.Core, DType.Float32, product.Parts, step.Alpha);
        long bytes = checked(product.Parts * step.Core.R * step.Core.S * sizeof(float));
        productBytes = ElementGrid.DivideUp(bytes, Alignment) * Alignment;
    }

    /// <inheritdoc/>
    public override long WorkspaceBytes => Math.Max(portable.WorkspaceBytes, productBytes + marginals.WorkspaceBytes);

    /// <inheritdoc/>
    public override int Launches => product.Launches + marginals.Launches;

    /// <inheritdoc/>
    public override string Description => $"{product.Description} + {marginals.Description}";

    /// <summary>The launcher for a step: this one, or the portable one with the reason in its description.</summary>
    public static CompiledStep Create(CudaDevice device, CoreProjectionStep step)
    {
        string? rejection = Rejection(step, device.Traits)
            ?? (TensorMapSource.IsSupported(device.Context.Driver) ? null : "a driver without cuTensorMapEncodeTiled");
        bool hopper = device.Traits.Architecture == WgmmaProductRules.Architecture;
        return rejection is null
            ? new WgmmaProjectionLauncher(device, step)
            : new CoreProjectionLauncher(device, step) { NotOnHopper = hopper ? rejection : null };
    }

    /// <summary>Why the step does not run here; null when it does.</summary>
    public static string? Rejection(CoreProjectionStep step, DeviceTraits traits) => WgmmaProductRules.Rejection(Product(step), traits);

    /// <summary>H = Qᵀ·P, at the beginning of the workspace.</summary>
    public static MatrixProductStep Product(CoreProjectionStep step) =>
        new(step.Q, step.P, new Operand(Step.WorkspaceSlot, DType.Float32), step.Core.R, step.Core.S, step.Tokens)
        {
            Label = step.Label,
            LayoutA = Layout.Transposed,
            LayoutB = Layout.Normal,
        };

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (!TensorMapSource.Suits(addresses[step.Q.Slot] | addresses[step.P.Slot]))
        {
            portable.Run(addresses, stream);
            return;
        }

        nint workspace = addresses[Step.WorkspaceSlot];
        product.Run(addresses, stream);
        marginals.Launch(
            workspace,
            workspace + (nint)productBytes,
            (addresses[step.RowScale.Slot], addresses[step.ColumnScale.Slot]),
            (addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot]),
            stream);
    }
}
