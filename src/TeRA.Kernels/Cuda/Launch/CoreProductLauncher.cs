using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>A product with the regenerated core by the portable engine (kernels/gemm/core_product.cu), forward and backward.</summary>
internal sealed class CoreProductLauncher : CompiledStep
{
    // A block of more rows shares each generated tile among more products.
    private const int SmallTileRows = 64;

    private readonly CoreProductStep step;
    private readonly CoreArguments core;
    private readonly float alpha;
    private readonly ProductSchedule schedule;
    private readonly CudaKernel kernel;
    private readonly SplitSumLauncher? sum;

    /// <summary>Chooses and loads the kernels.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernels don't take.</exception>
    public CoreProductLauncher(CudaDevice device, CoreProductStep step)
    {
        CheckDTypes(step);
        this.step = step;
        bool rounds = step.A.DType != DType.Float32;
        core = new CoreArguments(step.Core, inUnits: rounds);
        alpha = (float)(rounds ? step.Alpha * step.Core.Source.Distribution.Unit : step.Alpha);
        schedule = Schedule(step);
        kernel = ProductKernels.Load(device, Request(schedule.Config), schedule.Config);
        sum = schedule.Parts > 1 ? new SplitSumLauncher(device, step.A.DType) : null;
    }

    /// <summary>Every variant that <see cref="Schedule"/> may choose.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in ProductKernels.DTypes
        from overRows in ProductKernels.Either
        from config in new[] { Large(dtype, overRows), Small(dtype, overRows) }
        select Request(config);

    /// <inheritdoc/>
    public override long WorkspaceBytes => SplitSumLauncher.WorkspaceBytes(schedule, step.Tokens, Columns(step));

    /// <inheritdoc/>
    public override int Launches => step.Tokens == 0 || Columns(step) == 0 ? 0 : sum is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"core_product ({schedule}){(sum is null ? "" : " + split_sum")}";

    /// <summary>The choice of kernel and blocks for a step.</summary>
    public static ProductSchedule Schedule(CoreProductStep step)
    {
        ProductConfig config = step.Tokens > SmallTileRows ? Large(step.A.DType, step.OverRows) : Small(step.A.DType, step.OverRows);
        return ProductSchedule.Create(config, step.Tokens, Columns(step), Depth(step));
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
            Scale = step.Scale is { } scale ? addresses[scale.Slot] : 0,
            Core = core,
            K = Depth(step),
            PartLength = schedule.PartLength,
            TilesM = schedule.TilesM,
            TilesN = schedule.TilesN,
            Output = new ProductOutputArguments
            {
                C = addresses[step.C.Slot],
                Partial = sum is null ? 0 : addresses[Step.WorkspaceSlot],
                M = step.Tokens,
                N = Columns(step),
                Alpha = alpha,
                Single = step.C.DType == DType.Float32 ? 1 : 0,
                Parts = schedule.Parts,
            },
        };
        kernel.Launch(arguments, (schedule.Tiles, (uint)schedule.Parts, 1), schedule.Config.Threads, schedule.Config.SharedBytes, stream);
        sum?.Launch(arguments.Output, stream);
    }

    private static long Columns(CoreProductStep step) => step.OverRows ? step.Core.S : step.Core.R;

    private static long Depth(CoreProductStep step) => step.OverRows ? step.Core.R : step.Core.S;

    private static ProductConfig Large(DType dtype, bool overRows) => dtype == DType.Float32
        ? new(dtype, false, !overRows, (128, 64, 16), (2, 2), 3)
        : new(dtype, false, !overRows, (128, 64, 32), (4, 1), 3);

    private static ProductConfig Small(DType dtype, bool overRows) => new(dtype, false, !overRows, (SmallTileRows, 64, 32), (2, 2), 3);

    private static KernelRequest Request(ProductConfig config) =>
        new("gemm/core_product.cu", "core_product", config.Options) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static void CheckDTypes(CoreProductStep step)
    {
        DType dtype = step.A.DType;
        ProductKernels.Require(ProductKernels.DTypes.Contains(dtype), step.Label, "A", dtype, "float32, bfloat16 or float16");
        ProductKernels.Require(step.C.DType == dtype, step.Label, "C", step.C.DType, $"{dtype.Label()}, as A is");
        ProductKernels.Require(step.Scale is null or { DType: DType.Float32 }, step.Label, "Scale", step.Scale?.DType ?? dtype, "float32");
    }

    /// <summary>The layout of <c>tera::gemm::CoreProductArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint A;
        public nint Scale;
        public CoreArguments Core;
        public long K;
        public long PartLength;
        public uint TilesM;
        public uint TilesN;
        public ProductOutputArguments Output;
    }
}
