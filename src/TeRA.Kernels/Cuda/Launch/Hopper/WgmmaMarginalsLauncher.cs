using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The gradients of the core's diagonals from the rows that H is contracted from: kernels/kronecker/wgmma_modes.cu with marginals in place of stores, and the
/// ordered sum of its partial results. H is never in memory, and the core is read, not generated.
/// </summary>
internal sealed class WgmmaMarginalsLauncher : CompiledStep
{
    private readonly CoreMarginalsStep step;
    private readonly KroneckerStep product;
    private readonly WgmmaModesShape shape;
    private readonly CudaKernel kernel;
    private readonly CoreSumLauncher sum;
    private readonly TensorMapSource input;
    private readonly TensorMapSource core;
    private readonly WgmmaModesFactors factors;
    private readonly WgmmaModesLauncher.Arguments prepared;
    private readonly uint blocks;

    /// <summary>Prepares both launches.</summary>
    /// <exception cref="NotSupportedException">The kernel does not take the step, with the reason.</exception>
    public WgmmaMarginalsLauncher(CudaDevice device, CoreMarginalsStep step)
    {
        this.step = step;
        product = step.Contraction ?? throw new ArgumentException("Expected a step with the product that makes H.", nameof(step));
        shape = WgmmaModesShape.Choose(step, device.Traits, out string rejection) ?? throw Refusal(rejection);
        PrimaryContext context = device.Context;
        if (!TensorMapSource.IsSupported(context.Driver))
        {
            throw Refusal("a driver without cuTensorMapEncodeTiled");
        }

        kernel = device.Kernels.Load(WgmmaModesLauncher.Request(shape));
        kernel.AllowSharedMemory(shape.SharedBytes);
        input = new TensorMapSource(context, shape.DType, (shape.RestIn, shape.In[0], product.Outer), (64, shape.InPadded, shape.PassTokens));
        core = new TensorMapSource(context, shape.DType, (shape.RestOut, shape.Out[0], product.Outer), (64, shape.OutPadded, shape.StoreTokens));
        factors = new WgmmaModesFactors(context, product, shape);
        prepared = WgmmaModesLauncher.Prepare(product, shape);
        prepared.Group = shape.MarginalGroup(product.Outer);
        blocks = (uint)((prepared.TokenTiles + prepared.Group - 1) / prepared.Group * shape.RowTiles);
        sum = new CoreSumLauncher(
            device, step.Core, shape.RowLayers, shape.ColumnLayers(product.Outer), step.Alpha * step.Core.Source.Distribution.Unit * prepared.Alpha);
    }

    /// <summary>The kernel of the usual shape, modes and ranks of 16; plans go through dW in bfloat16 alone.</summary>
    public static IEnumerable<KernelRequest> Variants
    {
        get
        {
            var operand = new Operand(1, DType.BFloat16);
            var source = new RandomSource(0, Distribution.Normal);
            var product = new KroneckerStep(operand, operand, 4096, 1, [.. Enumerable.Repeat(new KroneckerMode(1, 16, 16, Contract: true), 3)], source) { Label = "H" };
            var step = new CoreMarginalsStep(operand, operand, operand, operand, operand, new CoreSource(source, 0, 4096, 4096))
            {
                Label = "g_d, g_e", Contraction = product, Generated = operand,
            };
            CoreMarginalsStep prepared = step with { Contraction = product with { Prepared = new PreparedFactors(operand, operand) } };
            return [.. new[] { step, prepared }.Select(each => WgmmaModesLauncher.Request(WgmmaModesShape.Choose(each, DeviceTraits.H100, out _)!))];
        }
    }

    /// <inheritdoc/>
    public override long WorkspaceBytes => sum.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => 2;

    /// <inheritdoc/>
    public override string Description => $"wgmma_modes ({shape}, {blocks} blocks) + {sum.Name}";

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">An operand misses 16 bytes.</exception>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint from = ProductKernels.At(addresses, product.Input), beside = ProductKernels.At(addresses, step.Generated), workspace = addresses[Step.WorkspaceSlot];
        if (!TensorMapSource.Suits(from | beside))
        {
            throw new InvalidOperationException($"{step.Label}: what is contracted and the core must start at multiples of {TensorMapSource.Alignment} bytes; scratch does.");
        }

        WgmmaModesLauncher.Arguments arguments = prepared;
        arguments.Input = input.At(from);
        arguments.Added = core.At(beside);
        arguments.RowScale = addresses[step.RowScale.Slot];
        arguments.ColumnScale = addresses[step.ColumnScale.Slot];
        arguments.RowPartial = workspace;
        arguments.ColumnPartial = sum.ColumnPartial(workspace);
        factors.Bind(ref arguments, addresses);
        kernel.Launch(arguments, (blocks, 1, 1), WgmmaModesShape.Threads, shape.SharedBytes, stream, overlaps: true);
        sum.Launch(workspace, addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot], stream);
    }

    private NotSupportedException Refusal(string reason) =>
        new($"{step.Label}: no kernel contracts rows and sums their products with the core: {reason}. A KroneckerStep and a CoreMarginalsStep do the same.");
}
