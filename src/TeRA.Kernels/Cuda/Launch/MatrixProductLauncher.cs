using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>A matrix product by the portable engine (kernels/gemm/matrix_product.cu): any shape, any alignment, every GPU since sm_80.</summary>
internal sealed class MatrixProductLauncher : CompiledStep
{
    private readonly MatrixProductStep step;
    private readonly ProductSchedule schedule;
    private readonly CudaKernel kernel;
    private readonly SplitSumLauncher? sum;

    /// <summary>Chooses and loads the kernels.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernels don't take.</exception>
    public MatrixProductLauncher(CudaDevice device, MatrixProductStep step)
    {
        CheckDTypes(step);
        this.step = step;
        schedule = Schedule(step);
        kernel = ProductKernels.Load(device, Request(schedule.Config), schedule.Config);
        sum = schedule.Parts > 1 ? new SplitSumLauncher(device, step.A.DType) : null;
    }

    /// <summary>Every variant that <see cref="Schedule"/> may choose.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in ProductKernels.DTypes
        from transposedA in ProductKernels.Either
        from transposedB in ProductKernels.Either
        let small = Small(dtype, transposedA, transposedB)
        from config in new[] { Large(dtype, transposedA, transposedB), small, small with { Blocks = Layout.Normal }, small with { Blocks = Layout.Transposed } }
        select Request(config);

    /// <inheritdoc/>
    public override long WorkspaceBytes => SplitSumLauncher.WorkspaceBytes(schedule, step.M, step.N);

    /// <inheritdoc/>
    public override int Launches => step.M == 0 || step.N == 0 ? 0 : sum is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description =>
        $"matrix_product ({schedule}){(sum is null ? "" : " + split_sum")}{(NotOnHopper is null ? "" : $", not wgmma_product: {NotOnHopper}")}";

    /// <summary>On a Hopper GPU, why its own kernel does not run this step.</summary>
    public string? NotOnHopper { get; init; }

    /// <summary>The choice of kernel and blocks for a step.</summary>
    public static ProductSchedule Schedule(MatrixProductStep step)
    {
        bool transposedA = step.LayoutA == Layout.Transposed, transposedB = step.LayoutB == Layout.Transposed;
        ProductConfig small = Small(step.A.DType, transposedA, transposedB) with { Blocks = step.Blocks?.LayoutB };

        // Plans have blocks where another kernel takes them; here they come when its operands are unaligned, which is not worth a second tile to compile.
        ProductConfig large = step.Blocks is null ? Large(step.A.DType, transposedA, transposedB) : small;
        return ProductSchedule.Choose(large, small, step.M, step.N, step.K, step.Blocks?.Columns ?? 0);
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (Launches == 0)
        {
            return;
        }

        var arguments = new Arguments
        {
            A = addresses[step.A.Slot],
            B = addresses[step.B.Slot],
            BlockA = ProductKernels.At(addresses, step.Blocks?.A),
            BlockB = ProductKernels.At(addresses, step.Blocks?.B),
            K = step.K,
            PartLength = schedule.PartLength,
            BlockK = step.Blocks?.K ?? 0,
            BlockColumns = step.Blocks?.Columns ?? 0,
            TilesM = schedule.TilesM,
            TilesN = schedule.TilesN,
            Output = new ProductOutputArguments
            {
                C = addresses[step.C.Slot],
                Bias = ProductKernels.At(addresses, step.Bias),
                AddTo = ProductKernels.At(addresses, step.AddTo),
                Partial = sum is null ? 0 : addresses[Step.WorkspaceSlot],
                M = step.M,
                N = step.N,
                Alpha = (float)step.Alpha,
                Single = step.C.DType == DType.Float32 ? 1 : 0,
                Parts = schedule.Parts,
            },
        };
        kernel.Launch(arguments, (schedule.Tiles, (uint)schedule.Parts, 1), schedule.Config.Threads, schedule.Config.SharedBytes, stream);
        sum?.Launch(arguments.Output, stream);
    }

    private static ProductConfig Large(DType dtype, bool transposedA, bool transposedB) => dtype == DType.Float32
        ? new(dtype, transposedA, transposedB, (128, 128, 16), (2, 4), 4)
        : new(dtype, transposedA, transposedB, (128, 128, 32), (2, 2), 4);

    private static ProductConfig Small(DType dtype, bool transposedA, bool transposedB) => dtype == DType.Float32
        ? new(dtype, transposedA, transposedB, (64, 64, 32), (2, 2), 3)
        : new(dtype, transposedA, transposedB, (64, 64, 64), (2, 2), 4);

    private static KernelRequest Request(ProductConfig config) =>
        new("gemm/matrix_product.cu", "matrix_product", config.Options) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static void CheckDTypes(MatrixProductStep step)
    {
        DType dtype = step.A.DType;
        ProductKernels.Require(ProductKernels.DTypes.Contains(dtype), step.Label, "A", dtype, "float32, bfloat16 or float16");
        ProductKernels.Require(step.B.DType == dtype, step.Label, "B", step.B.DType, $"{dtype.Label()}, as A is");
        ProductKernels.Require(step.C.DType == dtype || step.C.DType == DType.Float32, step.Label, "C", step.C.DType, $"float32, or {dtype.Label()} as A is");
        ProductKernels.Require(step.Bias is null || step.Bias.Value.DType == dtype, step.Label, "Bias", step.Bias?.DType ?? dtype, $"{dtype.Label()}, as A is");
        ProductKernels.Require(step.AddTo is null || step.AddTo.Value.DType == step.C.DType, step.Label, "AddTo", step.AddTo?.DType ?? dtype, $"{step.C.DType.Label()}, as C is");
        if (step.Blocks is { } blocks)
        {
            ProductKernels.Require(blocks.A.DType == dtype, step.Label, "Blocks.A", blocks.A.DType, $"{dtype.Label()}, as A is");
            ProductKernels.Require(blocks.B.DType == dtype, step.Label, "Blocks.B", blocks.B.DType, $"{dtype.Label()}, as A is");
            if (blocks.Columns <= 0 || step.N % blocks.Columns != 0)
            {
                throw new NotSupportedException($"{step.Label}: blocks of {blocks.Columns} columns do not divide C's {step.N}.");
            }
        }
    }

    /// <summary>The layout of <c>tera::gemm::MatrixProductArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint A;
        public nint B;
        public nint BlockA;
        public nint BlockB;
        public long K;
        public long PartLength;
        public long BlockK;
        public long BlockColumns;
        public uint TilesM;
        public uint TilesN;
        public ProductOutputArguments Output;
    }
}
