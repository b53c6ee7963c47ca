using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Cuda.ProductKernels;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// A matrix product by Hopper's own instructions (kernels/gemm/wgmma_product.cu). Steps that <see cref="WgmmaProductRules"/> rejects go to
/// the portable engine when they are compiled; runs whose addresses miss 16 bytes go there too.
/// </summary>
internal sealed class WgmmaProductLauncher : CompiledStep
{
    private const int Threads = 384;

    // Tile rows that are walked together: the tiles in flight share their operands in the L2 cache.
    private const int GroupedRows = 16;

    private readonly MatrixProductStep step;
    private readonly WgmmaProductSchedule schedule;
    private readonly MatrixProductLauncher portable;
    private readonly CudaKernel kernel;
    private readonly SplitSumLauncher? sum;
    private readonly TensorMapSource a;
    private readonly TensorMapSource b;
    private readonly TensorMapSource? c;
    private readonly TensorMapSource? addend;
    private readonly TensorMapSource? blockA;
    private readonly TensorMapSource? blockB;
    private readonly uint processors;
    private readonly bool overlaps;

    private WgmmaProductLauncher(CudaDevice device, MatrixProductStep step, bool inLayers = false)
    {
        this.step = step;
        portable = new MatrixProductLauncher(device, step);
        schedule = WgmmaProductSchedule.Choose(step);
        sum = schedule.Parts > 1 && !inLayers ? new SplitSumLauncher(device, step.A.DType) : null;
        bool single = step.C.DType == DType.Float32 || sum is not null;
        kernel = device.Kernels.Load(Request(
            step.A.DType, step.LayoutA, step.LayoutB, single ? DType.Float32 : step.C.DType, schedule.TileN, schedule.Adds, step.Blocks?.LayoutB));
        kernel.AllowSharedMemory(schedule.SharedBytes);
        PrimaryContext context = device.Context;
        DType dtype = step.A.DType;
        a = TensorMapSource.OfOperand(context, dtype, step.LayoutA == Layout.Transposed, step.K, step.M, WgmmaProductRules.TileM);
        b = TensorMapSource.OfOperand(context, dtype, step.LayoutB != Layout.Transposed, step.K, step.N, schedule.TileN);
        c = single ? null : new TensorMapSource(context, dtype, (step.N, step.M, 0), (64, 64, 0));
        addend = schedule.Adds ? new TensorMapSource(context, dtype, (step.N, step.M, 0), (64, 64, 0)) : null;
        if (step.Blocks is { } blocks)
        {
            blockA = new TensorMapSource(context, dtype, (blocks.K, step.N / blocks.Columns, step.M), (WgmmaProductRules.TileK, 1, WgmmaProductRules.TileM));
            blockB = TensorMapSource.OfOperand(context, dtype, blocks.LayoutB != Layout.Transposed, blocks.K, blocks.Columns, schedule.TileN);
        }

        processors = (uint)Math.Min(device.Traits.Processors, schedule.Items(step));
        overlaps = schedule.Overlaps(step);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
    [
        .. from dtype in new[] { DType.BFloat16, DType.Float16 }
           from layoutA in Enum.GetValues<Layout>()
           from layoutB in Enum.GetValues<Layout>()
           from tileN in WgmmaProductSchedule.Tiles.ToArray()
           from (DType Output, bool Adds) to in new[] { (DType.Float32, false), (dtype, false), (dtype, true) }
           select Request(dtype, layoutA, layoutB, to.Output, tileN, to.Adds, null),
        .. from dtype in new[] { DType.BFloat16, DType.Float16 }
           from layoutB in Enum.GetValues<Layout>()
           from tileN in WgmmaProductSchedule.Tiles.ToArray()
           from adds in Either
           from blocks in Enum.GetValues<Layout>()
           select Request(dtype, Layout.Normal, layoutB, dtype, tileN, adds, blocks),
    ];

    /// <summary>Blocks that share each tile's sum.</summary>
    public int Parts => schedule.Parts;

    /// <inheritdoc/>
    public override long WorkspaceBytes => Math.Max(portable.WorkspaceBytes, sum is null ? 0 : checked(schedule.Parts * step.M * step.N * sizeof(float)));

    /// <inheritdoc/>
    public override int Launches => sum is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"wgmma_product ({step.A.DType.Label()}, A{Mark(step.LayoutA)}·B{Mark(step.LayoutB)}{Extras}, tile 128×{schedule.TileN}×64, {schedule.Stages} stages, {processors} blocks{(schedule.Parts == 1 ? "" : $", sum in {schedule.Parts} parts of {schedule.PartLength}")}){(sum is null ? "" : " + split_sum")}");

    private string Extras =>
        (step.Blocks is { } blocks ? $" + A·B{Mark(blocks.LayoutB)} by blocks" : "") + (schedule.Adds ? " + addend" : "");

    /// <summary>The launcher for a step: the one for short sides, this one, or the portable one with the reason in its description.</summary>
    public static CompiledStep Create(CudaDevice device, MatrixProductStep step)
    {
        if (WgmmaThinProductRules.Rejection(step, device.Traits) is null && TensorMapSource.IsSupported(device.Context.Driver))
        {
            return new WgmmaThinProductLauncher(device, step);
        }

        string? rejection = WgmmaProductRules.Rejection(step, device.Traits)
            ?? (TensorMapSource.IsSupported(device.Context.Driver) ? null : "a driver without cuTensorMapEncodeTiled");
        bool hopper = device.Traits.Architecture == WgmmaProductRules.Architecture;
        return rejection is null
            ? new WgmmaProductLauncher(device, step)
            : new MatrixProductLauncher(device, step) { NotOnHopper = hopper ? rejection : null };
    }

    /// <summary>
    /// A product into float32 whose parts stay as they are: C is <see cref="Parts"/> layers, which the caller adds. The step is one that
    /// <see cref="WgmmaProductRules"/> takes, without bias or addend, and its operands are aligned.
    /// </summary>
    public static WgmmaProductLauncher InLayers(CudaDevice device, MatrixProductStep step) => new(device, step, inLayers: true);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint mapped = addresses[step.A.Slot] | addresses[step.B.Slot] | At(addresses, step.Blocks?.A) | At(addresses, step.Blocks?.B)
            | (c is null ? 0 : addresses[step.C.Slot]) | (addend is null ? 0 : At(addresses, step.AddTo));
        if (!TensorMapSource.Suits(mapped))
        {
            portable.Run(addresses, stream);
            return;
        }

        Arguments arguments = Bind(addresses);
        kernel.Launch(arguments, (processors, 1, 1), Threads, schedule.SharedBytes, stream, overlaps);
        sum?.Launch(Output(addresses), stream);
    }

    private Arguments Bind(ReadOnlySpan<nint> addresses)
    {
        var arguments = new Arguments
        {
            A = a.At(addresses[step.A.Slot]),
            B = b.At(addresses[step.B.Slot]),
            C = c is null ? default : c.At(addresses[step.C.Slot]),
            Add = addend is null ? default : addend.At(At(addresses, step.AddTo)),
            Alpha = 1,
            M = (int)step.M,
            N = (int)step.N,
            K = (int)step.K,
            PartLength = (int)schedule.PartLength,
            Parts = schedule.Parts,
            TilesM = (int)WgmmaProductRules.TilesOf(step.M, WgmmaProductRules.TileM),
            TilesN = (int)WgmmaProductRules.TilesOf(step.N, schedule.TileN),
            Group = GroupedRows,
        };
        if (step.Blocks is { } blocks)
        {
            arguments.BlockA = blockA!.At(addresses[blocks.A.Slot]);
            arguments.BlockB = blockB!.At(addresses[blocks.B.Slot]);
            arguments.BlockK = (int)blocks.K;
            arguments.BlockColumns = (int)blocks.Columns;
        }

        if (sum is not null)
        {
            // Plain sums: everything else is split_sum's.
            arguments.Single = addresses[Step.WorkspaceSlot];
            return arguments;
        }

        arguments.Alpha = (float)step.Alpha;
        arguments.Bias = At(addresses, step.Bias);
        if (c is null)
        {
            arguments.Single = addresses[step.C.Slot];
            arguments.AddSingle = At(addresses, step.AddTo);
        }

        return arguments;
    }

    private ProductOutputArguments Output(ReadOnlySpan<nint> addresses) => new()
    {
        C = addresses[step.C.Slot],
        Bias = At(addresses, step.Bias),
        AddTo = At(addresses, step.AddTo),
        Partial = addresses[Step.WorkspaceSlot],
        M = step.M,
        N = step.N,
        Alpha = (float)step.Alpha,
        Single = step.C.DType == DType.Float32 ? 1 : 0,
        Parts = schedule.Parts,
    };

    private static KernelRequest Request(DType dtype, Layout layoutA, Layout layoutB, DType output, int tileN, bool adds, Layout? blocks)
    {
        var schedule = new WgmmaProductSchedule(tileN, 1, 0, adds);
        ImmutableArray<string> options =
        [
            ProductConfig.Macro("DTYPE", (int)dtype),
            ProductConfig.Macro("TRANSPOSED_A", (int)layoutA),
            ProductConfig.Macro("TRANSPOSED_B", (int)layoutB),
            ProductConfig.Macro("OUTPUT", (int)output),
            ProductConfig.Macro("ADD", adds ? 1 : 0),
            ProductConfig.Macro("BLOCKS", blocks switch { null => 0, Layout.Normal => 1, _ => 2 }),
            ProductConfig.Macro("TILE_N", tileN),
            ProductConfig.Macro("STAGES", schedule.Stages),
        ];
        return new KernelRequest("gemm/wgmma_product.cu", "wgmma_product", options) { OnlyFor = WgmmaProductRules.Target, ArgumentBytes = Unsafe.SizeOf<Arguments>() };
    }

    /// <summary>The layout of <c>tera::WgmmaProductArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 896)]
    internal struct Arguments
    {
        public TensorMap A;
        public TensorMap B;
        public TensorMap C;
        public TensorMap Add;
        public TensorMap BlockA;
        public TensorMap BlockB;
        public nint Bias;
        public nint AddSingle;
        public nint Single;
        public float Alpha;
        public int M;
        public int N;
        public int K;
        public int PartLength;
        public int Parts;
        public int BlockK;
        public int BlockColumns;
        public int TilesM;
        public int TilesN;
        public int Group;
    }
}
