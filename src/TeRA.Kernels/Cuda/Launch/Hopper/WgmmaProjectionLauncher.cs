using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The gradients of the core's diagonals by Hopper's own instructions (kernels/gemm/wgmma_projection.cu): the projection, and the ordered
/// sum of its partial results. Steps that <see cref="Rejection"/> names go to the portable engine, and so do runs whose addresses miss 16 bytes.
/// </summary>
internal sealed class WgmmaProjectionLauncher : CompiledStep
{
    private const string File = "gemm/wgmma_projection.cu";
    private const int Stages = 4;
    private const int Threads = 384;
    private const int ColumnSumBytes = 8 * WgmmaProductRules.TileN * sizeof(float);
    private const int BarrierBytes = 2 * Stages * 8;
    private const int BaseAlignment = 1024;
    private const int SharedBytes =
        (Stages * (WgmmaProductRules.TileM + WgmmaProductRules.TileN) * WgmmaProductRules.TileK * 2) + ColumnSumBytes + BarrierBytes + BaseAlignment;

    // The tokens are cut so that few tiles still make about this many pieces of work, none shorter than the least: by the shape alone,
    // so that every device adds in the same order.
    private const long Pieces = 128;
    private const long LeastTokens = 512;

    private readonly CoreProjectionStep step;
    private readonly CoreProjectionLauncher portable;
    private readonly CudaKernel kernel;
    private readonly CoreSumLauncher sum;
    private readonly TensorMapSource q;
    private readonly TensorMapSource p;
    private readonly Cut cut;
    private readonly uint blocks;

    private WgmmaProjectionLauncher(CudaDevice device, CoreProjectionStep step)
    {
        this.step = step;
        portable = new CoreProjectionLauncher(device, step);
        cut = CutOf(step);
        DistributionKind kind = step.Core.Source.Distribution.Kind;
        kernel = device.Kernels.Load(Request(step.Q.DType, kind));
        kernel.AllowSharedMemory(SharedBytes);
        sum = new CoreSumLauncher(device, step.Core, (long)cut.Parts * cut.TilesN, (long)cut.Parts * cut.TilesM, step.Alpha);
        q = new TensorMapSource(device.Context, step.Q.DType, (step.Core.R, step.Tokens, 0), (64, WgmmaProductRules.TileK, 0));
        p = new TensorMapSource(device.Context, step.P.DType, (step.Core.S, step.Tokens, 0), (64, WgmmaProductRules.TileK, 0));
        blocks = (uint)Math.Min(device.Traits.Processors, (long)cut.TilesM * cut.TilesN * cut.Parts);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in new[] { DType.BFloat16, DType.Float16 }
        from kind in Enum.GetValues<DistributionKind>()
        select Request(dtype, kind);

    /// <inheritdoc/>
    public override long WorkspaceBytes => Math.Max(portable.WorkspaceBytes, sum.WorkspaceBytes);

    /// <inheritdoc/>
    public override int Launches => 2;

    /// <inheritdoc/>
    public override string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"wgmma_projection ({step.Q.DType.Label()}, {cut.TilesM}×{cut.TilesN} tiles of 128×256, {cut.Parts} parts of {cut.Length}, {blocks} blocks) + {sum.Name}");

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
    public static string? Rejection(CoreProjectionStep step, DeviceTraits traits) =>
        traits.Architecture != WgmmaProductRules.Architecture ? "not compute capability 9.0"
        : step.Q.DType is not (DType.BFloat16 or DType.Float16) || step.P.DType != step.Q.DType ? $"{step.Q.DType.Label()} operands"
        : step.Core.R % 8 != 0 || step.Core.S % 8 != 0 ? "rows that are no multiple of 16 bytes"
        : Math.Min(step.Core.R, step.Core.S) < WgmmaProductRules.TileK || step.Tokens < WgmmaProductRules.TileK ? "a length below 64"
        : Math.Max(step.Tokens, Math.Max(step.Core.R, step.Core.S)) > int.MaxValue / 2 ? "a length beyond 32 bits"
        : null;

    /// <summary>Tiles of H, and how the tokens are cut.</summary>
    public static Cut CutOf(CoreProjectionStep step)
    {
        long tilesM = WgmmaProductRules.TilesOf(step.Core.R, WgmmaProductRules.TileM), tilesN = WgmmaProductRules.TilesOf(step.Core.S, WgmmaProductRules.TileN);
        long wanted = Math.Clamp(Pieces / (tilesM * tilesN), 1, Math.Max(1, step.Tokens / LeastTokens));
        long length = WgmmaProductRules.TilesOf(WgmmaProductRules.TilesOf(step.Tokens, (int)wanted), WgmmaProductRules.TileK) * WgmmaProductRules.TileK;
        return new Cut((int)tilesM, (int)tilesN, (int)length, (int)WgmmaProductRules.TilesOf(step.Tokens, (int)length));
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint atQ = addresses[step.Q.Slot], atP = addresses[step.P.Slot], workspace = addresses[Step.WorkspaceSlot];
        if (((atQ | atP) & (TensorMapSource.Alignment - 1)) != 0)
        {
            portable.Run(addresses, stream);
            return;
        }

        var arguments = new Arguments
        {
            Q = q.At(atQ),
            P = p.At(atP),
            RowScale = addresses[step.RowScale.Slot],
            ColumnScale = addresses[step.ColumnScale.Slot],
            RowPartial = workspace,
            ColumnPartial = sum.ColumnPartial(workspace),
            Core = new RandomSourceArguments(step.Core),
            Rows = (int)step.Core.R,
            Columns = (int)step.Core.S,
            Tokens = (int)step.Tokens,
            PartLength = cut.Length,
            TilesM = cut.TilesM,
            TilesN = cut.TilesN,
            Parts = cut.Parts,
        };
        kernel.Launch(arguments, (blocks, 1, 1), Threads, SharedBytes, stream);
        sum.Launch(workspace, addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot], stream);
    }

    private static KernelRequest Request(DType dtype, DistributionKind kind) =>
        new(File, "wgmma_projection", [ProductConfig.Macro("DTYPE", (int)dtype), ProductConfig.Macro("DISTRIBUTION", (int)kind)])
        {
            OnlyFor = WgmmaProductRules.Target,
            ArgumentBytes = Unsafe.SizeOf<Arguments>(),
        };

    /// <summary>Tiles of H and parts of the tokens.</summary>
    /// <param name="TilesM">Along R.</param>
    /// <param name="TilesN">Along S.</param>
    /// <param name="Length">Tokens of a part.</param>
    /// <param name="Parts">Parts.</param>
    internal readonly record struct Cut(int TilesM, int TilesN, int Length, int Parts);

    /// <summary>The layout of <c>tera::WgmmaProjectionArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 384)]
    internal struct Arguments
    {
        public TensorMap Q;
        public TensorMap P;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowPartial;
        public nint ColumnPartial;
        public RandomSourceArguments Core;
        public int Rows;
        public int Columns;
        public int Tokens;
        public int PartLength;
        public int TilesM;
        public int TilesN;
        public int Parts;
    }
}
