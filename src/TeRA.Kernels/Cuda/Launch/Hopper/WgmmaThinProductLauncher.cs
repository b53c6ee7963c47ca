using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;
using static TeRA.Kernels.Cuda.ProductKernels;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// A matrix product with a short side by Hopper's own instructions (kernels/gemm/wgmma_thin_product.cu), for steps that <see cref="WgmmaThinProductRules"/>
/// takes. Runs whose addresses miss 16 bytes go to the portable engine.
/// </summary>
internal sealed class WgmmaThinProductLauncher : CompiledStep
{
    // Boxes of 64 rows of 128 bytes.
    private const int BoxLength = 64;
    private const int RowBytes = 128;

    private readonly MatrixProductStep step;
    private readonly MatrixProductLauncher portable;
    private readonly WgmmaThinProductSchedule schedule;
    private readonly bool transposed; // M is the short side
    private readonly bool thinContiguous; // the short side of its operand is contiguous in memory, not K
    private readonly CudaKernel kernel;
    private readonly TensorMapSource longOperand;
    private readonly TensorMapSource thinOperand;

    /// <summary>Chooses and loads the kernel.</summary>
    public WgmmaThinProductLauncher(CudaDevice device, MatrixProductStep step)
    {
        this.step = step;
        portable = new MatrixProductLauncher(device, step);
        schedule = WgmmaThinProductSchedule.Choose(step);
        transposed = step.M < step.N;
        bool mContiguous = step.LayoutA == Layout.Transposed, nContiguous = step.LayoutB != Layout.Transposed;
        (bool longContiguous, thinContiguous) = transposed ? (nContiguous, mContiguous) : (mContiguous, nContiguous);
        kernel = device.Kernels.Load(Request(step.A.DType, longContiguous, thinContiguous, schedule));
        kernel.AllowSharedMemory(schedule.SharedBytes);
        longOperand = TensorMapSource.OfOperand(device.Context, step.A.DType, longContiguous, step.K, LongSide, schedule.LongTile);
        thinOperand = TensorMapSource.OfOperand(device.Context, step.A.DType, thinContiguous, step.K, ShortSide, (int)ShortSide);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in new[] { DType.BFloat16, DType.Float16 }
        from longContiguous in Either
        from thinContiguous in Either
        from schedule in WgmmaThinProductSchedule.All.ToArray()
        select Request(dtype, longContiguous, thinContiguous, schedule);

    /// <inheritdoc/>
    public override long WorkspaceBytes => portable.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => 1;

    /// <inheritdoc/>
    public override string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"wgmma_thin_product ({step.A.DType.Label()}, A{Mark(step.LayoutA)}·B{Mark(step.LayoutB)}, {Tiles} tiles of {schedule.LongTile}×{schedule.ShortTile}{(transposed ? " of Cᵀ" : "")}, sum in {schedule.Parts} parts of {schedule.PartLength(step.K)}, {schedule.Stages} stages)");

    private long LongSide => Math.Max(step.M, step.N);

    private long ShortSide => Math.Min(step.M, step.N);

    private long Tiles => WgmmaProductRules.TilesOf(LongSide, schedule.LongTile);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint a = addresses[step.A.Slot], b = addresses[step.B.Slot], c = addresses[step.C.Slot];
        nint add = At(addresses, step.AddTo), bias = At(addresses, step.Bias);
        if (!TensorMapSource.Suits(a | b | c | add | bias))
        {
            portable.Run(addresses, stream);
            return;
        }

        int boxes = (int)WgmmaProductRules.TilesOf(ShortSide, BoxLength);
        var arguments = new Arguments
        {
            LongOperand = longOperand.At(transposed ? b : a),
            ThinOperand = thinOperand.At(transposed ? a : b),
            C = c,
            Add = add,
            Bias = bias,
            M = step.M,
            N = step.N,
            Alpha = (float)step.Alpha,
            Single = step.C.DType == DType.Float32 ? 1 : 0,
            K = (int)step.K,
            PartLength = (int)schedule.PartLength(step.K),
            ThinBoxes = boxes,
            ThinBytes = thinContiguous ? boxes * BoxLength * RowBytes : (int)ShortSide * RowBytes,
            Transposed = transposed ? 1 : 0,
        };
        kernel.Launch(arguments, ((uint)Tiles, (uint)schedule.Parts, 1), schedule.Threads, schedule.SharedBytes, stream, overlaps: true);
    }

    private static KernelRequest Request(DType dtype, bool longContiguous, bool thinContiguous, WgmmaThinProductSchedule schedule)
    {
        ImmutableArray<string> options =
        [
            ProductConfig.Macro("DTYPE", (int)dtype),
            ProductConfig.Macro("LONG_CONTIGUOUS", longContiguous ? 1 : 0),
            ProductConfig.Macro("THIN_CONTIGUOUS", thinContiguous ? 1 : 0),
            ProductConfig.Macro("THIN", schedule.ShortTile),
            ProductConfig.Macro("ROWS", schedule.LongTile),
            ProductConfig.Macro("PARTS", schedule.Parts),
            ProductConfig.Macro("STAGES", schedule.Stages),
        ];
        return new KernelRequest("gemm/wgmma_thin_product.cu", "wgmma_thin_product", options)
        {
            OnlyFor = WgmmaProductRules.Target, ArgumentBytes = Unsafe.SizeOf<Arguments>(),
        };
    }

    /// <summary>The layout of <c>tera::WgmmaThinProductArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 384)]
    internal struct Arguments
    {
        public TensorMap LongOperand;
        public TensorMap ThinOperand;
        public nint C;
        public nint Add;
        public nint Bias;
        public long M;
        public long N;
        public float Alpha;
        public int Single;
        public int K;
        public int PartLength;
        public int ThinBoxes;
        public int ThinBytes;
        public int Transposed;
    }
}
