using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The gradients of the core's diagonals by the portable engine (kernels/gemm/core_projection.cu), and the kernel that adds up its
/// partial sums in order (core_projection_sum.cu).
/// </summary>
internal sealed class CoreProjectionLauncher : CompiledStep
{
    private readonly CoreProjectionStep step;
    private readonly CoreArguments core;
    private readonly ProductSchedule schedule;
    private readonly CudaKernel kernel;
    private readonly CoreSumLauncher sum;

    /// <summary>Chooses and loads the kernels.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernels don't take.</exception>
    public CoreProjectionLauncher(CudaDevice device, CoreProjectionStep step)
    {
        CheckDTypes(step);
        this.step = step;
        core = new CoreArguments(step.Core);
        schedule = Schedule(step);
        kernel = ProductKernels.Load(device, Request(schedule.Config), schedule.Config);
        sum = new CoreSumLauncher(device, step.Core, (long)schedule.Parts * schedule.TilesN, (long)schedule.Parts * schedule.TilesM, step.Alpha);
    }

    /// <summary>Every variant that <see cref="Schedule"/> may choose.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        ProductKernels.DTypes.SelectMany(dtype => new[] { Request(Large(dtype)), Request(Small(dtype)) });

    /// <inheritdoc/>
    public override long WorkspaceBytes => sum.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => step.Core.R == 0 && step.Core.S == 0 ? 0 : schedule.Tiles == 0 ? 1 : 2;

    /// <inheritdoc/>
    public override string Description =>
        $"core_projection ({schedule}) + {sum.Name}{(NotOnHopper is null ? "" : $", not wgmma_product: {NotOnHopper}")}";

    /// <summary>On a Hopper GPU, why its own kernel does not run this step.</summary>
    public string? NotOnHopper { get; init; }

    /// <summary>The choice of kernel and blocks for a step.</summary>
    public static ProductSchedule Schedule(CoreProjectionStep step) =>
        ProductSchedule.Choose(Large(step.Q.DType), Small(step.Q.DType), step.Core.R, step.Core.S, step.Tokens);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint workspace = addresses[Step.WorkspaceSlot];
        var tiles = new Arguments
        {
            Q = addresses[step.Q.Slot],
            P = addresses[step.P.Slot],
            RowScale = addresses[step.RowScale.Slot],
            ColumnScale = addresses[step.ColumnScale.Slot],
            RowPartial = workspace,
            ColumnPartial = sum.ColumnPartial(workspace),
            Core = core,
            Tokens = step.Tokens,
            PartLength = schedule.PartLength,
            TilesM = schedule.TilesM,
            TilesN = schedule.TilesN,
        };
        kernel.Launch(tiles, (schedule.Tiles, (uint)schedule.Parts, 1), schedule.Config.Threads, schedule.Config.SharedBytes, stream);
        sum.Launch(workspace, addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot], stream);
    }

    private static ProductConfig Large(DType dtype) => dtype == DType.Float32
        ? new(dtype, true, false, (128, 128, 16), (2, 4), 4)
        : new(dtype, true, false, (128, 128, 32), (2, 2), 4);

    private static ProductConfig Small(DType dtype) => new(dtype, true, false, (64, 64, 32), (2, 2), 3);

    private static KernelRequest Request(ProductConfig config) =>
        new("gemm/core_projection.cu", "core_projection", config.Options) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static void CheckDTypes(CoreProjectionStep step)
    {
        DType dtype = step.Q.DType;
        ProductKernels.Require(ProductKernels.DTypes.Contains(dtype), step.Label, "Q", dtype, "float32, bfloat16 or float16");
        ProductKernels.Require(step.P.DType == dtype, step.Label, "P", step.P.DType, $"{dtype.Label()}, as Q is");
        foreach ((string name, Operand operand) in new[]
        {
            ("RowScale", step.RowScale), ("ColumnScale", step.ColumnScale), ("RowGradient", step.RowGradient), ("ColumnGradient", step.ColumnGradient),
        })
        {
            ProductKernels.Require(operand.DType == DType.Float32, step.Label, name, operand.DType, "float32");
        }
    }

    /// <summary>The layout of <c>tera::gemm::CoreProjectionArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint Q;
        public nint P;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowPartial;
        public nint ColumnPartial;
        public CoreArguments Core;
        public long Tokens;
        public long PartLength;
        public uint TilesM;
        public uint TilesN;
    }
}
