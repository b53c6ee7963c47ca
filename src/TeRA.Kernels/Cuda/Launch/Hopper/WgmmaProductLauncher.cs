using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// A matrix product by Hopper's own instructions (kernels/gemm/wgmma_product.cu). Steps that <see cref="WgmmaProductRules"/> rejects go to
/// the portable engine when they are compiled; runs whose addresses miss 16 bytes go there too.
/// </summary>
internal sealed class WgmmaProductLauncher : CompiledStep
{
    private const int Stages = 4;
    private const int Threads = 384;
    private const int StagingBytes = 2 * 2 * 64 * 128;
    private const int BarrierBytes = 2 * Stages * 8;
    private const int BaseAlignment = 1024;
    private const int SharedBytes =
        (Stages * (WgmmaProductRules.TileM + WgmmaProductRules.TileN) * WgmmaProductRules.TileK * 2) + StagingBytes + BarrierBytes + BaseAlignment;

    // Tile rows that are walked together: the tiles in flight share their operands in the L2 cache.
    private const int GroupedRows = 8;

    private readonly MatrixProductStep step;
    private readonly MatrixProductLauncher portable;
    private readonly CudaKernel kernel;
    private readonly TensorMapSource a;
    private readonly TensorMapSource b;
    private readonly TensorMapSource? c;
    private readonly uint blocks;

    private WgmmaProductLauncher(CudaDevice device, MatrixProductStep step)
    {
        this.step = step;
        portable = new MatrixProductLauncher(device, step);
        kernel = device.Kernels.Load(Request(step.A.DType, step.LayoutA, step.LayoutB, step.C.DType, step.Bias is not null));
        kernel.AllowSharedMemory(SharedBytes);
        PrimaryContext context = device.Context;
        a = Map(context, step.A.DType, step.LayoutA == Layout.Transposed, step.K, step.M, WgmmaProductRules.TileM);
        b = Map(context, step.A.DType, step.LayoutB != Layout.Transposed, step.K, step.N, WgmmaProductRules.TileN);
        c = step.C.DType == DType.Float32 ? null : new TensorMapSource(context, step.C.DType, (step.N, step.M, 0), (64, 64, 0));
        blocks = (uint)Math.Min(device.Traits.Processors, WgmmaProductRules.Tiles(step));
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in new[] { DType.BFloat16, DType.Float16 }
        from layoutA in Enum.GetValues<Layout>()
        from layoutB in Enum.GetValues<Layout>()
        from output in new[] { dtype, DType.Float32 }
        from bias in ProductKernels.Either
        select Request(dtype, layoutA, layoutB, output, bias);

    /// <inheritdoc/>
    public override long WorkspaceBytes => portable.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => 1;

    /// <inheritdoc/>
    public override string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"wgmma_product ({step.A.DType.Label()}, A{Mark(step.LayoutA)}·B{Mark(step.LayoutB)}, tile 128×256×64, {Stages} stages, {blocks} blocks)");

    /// <summary>The launcher for a step: this one, or the portable one with the reason in its description.</summary>
    public static CompiledStep Create(CudaDevice device, MatrixProductStep step)
    {
        string? rejection = WgmmaProductRules.Rejection(step, device.Traits)
            ?? (TensorMapSource.IsSupported(device.Context.Driver) ? null : "a driver without cuTensorMapEncodeTiled");
        bool hopper = device.Traits.Architecture == WgmmaProductRules.Architecture;
        return rejection is null
            ? new WgmmaProductLauncher(device, step)
            : new MatrixProductLauncher(device, step) { NotOnHopper = hopper ? rejection : null };
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint atA = addresses[step.A.Slot], atB = addresses[step.B.Slot], atC = addresses[step.C.Slot];
        if (((atA | atB | (c is null ? 0 : atC)) & (TensorMapSource.Alignment - 1)) != 0)
        {
            portable.Run(addresses, stream);
            return;
        }

        var arguments = new Arguments
        {
            A = a.At(atA),
            B = b.At(atB),
            C = c is null ? default : c.At(atC),
            Bias = step.Bias is { } bias ? addresses[bias.Slot] : 0,
            Single = c is null ? atC : 0,
            Alpha = (float)step.Alpha,
            Accumulate = step.Accumulates ? 1 : 0,
            M = (int)step.M,
            N = (int)step.N,
            K = (int)step.K,
            TilesM = (int)WgmmaProductRules.TilesOf(step.M, WgmmaProductRules.TileM),
            TilesN = (int)WgmmaProductRules.TilesOf(step.N, WgmmaProductRules.TileN),
            Group = GroupedRows,
        };
        kernel.Launch(arguments, (blocks, 1, 1), Threads, SharedBytes, stream);
    }

    private static string Mark(Layout layout) => layout == Layout.Transposed ? "ᵀ" : "";

    private static TensorMapSource Map(PrimaryContext context, DType dtype, bool depthIsRow, long depth, long length, int tile) => depthIsRow
        ? new TensorMapSource(context, dtype, (length, depth, 0), (64, WgmmaProductRules.TileK, 0))
        : new TensorMapSource(context, dtype, (depth, length, 0), (WgmmaProductRules.TileK, tile, 0));

    private static KernelRequest Request(DType dtype, Layout layoutA, Layout layoutB, DType output, bool bias)
    {
        ImmutableArray<string> options =
        [
            ProductConfig.Macro("DTYPE", (int)dtype),
            ProductConfig.Macro("TRANSPOSED_A", (int)layoutA),
            ProductConfig.Macro("TRANSPOSED_B", (int)layoutB),
            ProductConfig.Macro("OUTPUT", (int)output),
            ProductConfig.Macro("BIAS", bias ? 1 : 0),
        ];
        return new KernelRequest("gemm/wgmma_product.cu", "wgmma_product", options) { OnlyFor = WgmmaProductRules.Target, ArgumentBytes = Unsafe.SizeOf<Arguments>() };
    }

    /// <summary>The layout of <c>tera::WgmmaProductArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 448)]
    internal struct Arguments
    {
        public TensorMap A;
        public TensorMap B;
        public TensorMap C;
        public nint Bias;
        public nint Single;
        public float Alpha;
        public int Accumulate;
        public int M;
        public int N;
        public int K;
        public int TilesM;
        public int TilesN;
        public int Group;
    }
}
