using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs <see cref="CoreMarginalsStep"/> by kernels/gemm/core_marginals.cu, and the kernel that adds up its partial sums in order.
/// </summary>
internal sealed class CoreMarginalsLauncher : CompiledStep
{
    private const int Threads = 256;
    private const int TileColumns = 256;
    private const int SharedBytes = Threads * 8 * sizeof(float);

    // A block's rows: by the shape alone, so that every device adds in the same order. Enough blocks for any GPU before they get long.
    private const int RowsAtOnce = 8;
    private const int MostRows = 64;
    private const long Blocks = 1024;

    private readonly CoreMarginalsStep step;
    private readonly CoreArguments core;
    private readonly CudaKernel kernel;
    private readonly CoreSumLauncher sum;
    private readonly int tileRows;
    private readonly long tilesM;
    private readonly long tilesN;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernels don't take.</exception>
    public CoreMarginalsLauncher(CudaDevice device, CoreMarginalsStep step)
    {
        CheckDTypes(step);
        this.step = step;
        core = new CoreArguments(step.Core);
        tilesN = ElementGrid.DivideUp(step.Core.S, TileColumns);
        long wanted = ElementGrid.DivideUp(ElementGrid.DivideUp(step.Core.R * Math.Max(1, tilesN), Blocks), RowsAtOnce) * RowsAtOnce;
        tileRows = (int)Math.Clamp(wanted, RowsAtOnce, MostRows);
        tilesM = ElementGrid.DivideUp(step.Core.R, tileRows);
        kernel = device.Kernels.Load(Request(step.H.DType));
        sum = new CoreSumLauncher(device, step.Core, tilesN, tilesM, step.Alpha);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => ElementGrid.DTypes.Select(Request);

    /// <inheritdoc/>
    public override long WorkspaceBytes => sum.WorkspaceBytes;

    /// <inheritdoc/>
    public override int Launches => step.Core.R == 0 && step.Core.S == 0 ? 0 : Tiles == 0 ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name} ({step.H.DType.Label()}, {tilesM}×{tilesN} tiles of {tileRows}×{TileColumns}) + {sum.Name}";

    private long Tiles => checked(tilesM * tilesN);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (Launches == 0)
        {
            return;
        }

        nint workspace = addresses[Step.WorkspaceSlot];
        if (Tiles > 0)
        {
            var arguments = new Arguments
            {
                H = addresses[step.H.Slot],
                RowScale = addresses[step.RowScale.Slot],
                ColumnScale = addresses[step.ColumnScale.Slot],
                RowPartial = workspace,
                ColumnPartial = sum.ColumnPartial(workspace),
                Core = core,
                TileRows = (uint)tileRows,
                TilesN = (uint)tilesN,
            };
            kernel.Launch(arguments, (checked((uint)Tiles), 1, 1), Threads, SharedBytes, stream);
        }

        sum.Launch(workspace, addresses[step.RowGradient.Slot], addresses[step.ColumnGradient.Slot], stream);
    }

    private static KernelRequest Request(DType dtype) =>
        new("gemm/core_marginals.cu", "core_marginals", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static void CheckDTypes(CoreMarginalsStep step)
    {
        ProductKernels.Require(ElementGrid.DTypes.Contains(step.H.DType), step.Label, "H", step.H.DType, "float32, bfloat16 or float16");
        foreach ((string name, Operand operand) in new[]
        {
            ("RowScale", step.RowScale), ("ColumnScale", step.ColumnScale), ("RowGradient", step.RowGradient), ("ColumnGradient", step.ColumnGradient),
        })
        {
            ProductKernels.Require(operand.DType == DType.Float32, step.Label, name, operand.DType, "float32");
        }
    }

    /// <summary>The layout of <c>tera::gemm::CoreMarginalsArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint H;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowPartial;
        public nint ColumnPartial;
        public CoreArguments Core;
        public uint TileRows;
        public uint TilesN;
    }
}
