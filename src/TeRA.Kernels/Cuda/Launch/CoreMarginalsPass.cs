using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The two launches that make the gradients of the core's diagonals from H in memory: kernels/gemm/core_marginals.cu, and the ordered sum of
/// its partial results. H may lie in layers that are to be added, as a product in parts leaves it.
/// </summary>
internal sealed class CoreMarginalsPass
{
    private const int Threads = 256;
    private const int TileColumns = 256;
    private const int SharedBytes = Threads * 8 * sizeof(float);

    // A block's rows: by the shape alone, so that every device adds in the same order. Enough blocks for any GPU before they get long.
    private const int RowsAtOnce = 8;
    private const int MostRows = 64;
    private const long Blocks = 1024;

    private readonly CoreSource core;
    private readonly CudaKernel kernel;
    private readonly CoreSumLauncher sum;
    private readonly DType dtype;
    private readonly int layers;
    private readonly int tileRows;
    private readonly long tilesM;
    private readonly long tilesN;

    /// <summary>Prepares both launches.</summary>
    /// <param name="device">Where they run.</param>
    /// <param name="core">G.</param>
    /// <param name="dtype">Of H.</param>
    /// <param name="layers">Of H, one behind the other.</param>
    /// <param name="alpha">Factor of both results.</param>
    public CoreMarginalsPass(CudaDevice device, CoreSource core, DType dtype, int layers, double alpha)
    {
        this.core = core;
        this.dtype = dtype;
        this.layers = layers;
        tilesN = ElementGrid.DivideUp(core.S, TileColumns);
        long wanted = ElementGrid.DivideUp(ElementGrid.DivideUp(core.R * Math.Max(1, tilesN), Blocks), RowsAtOnce) * RowsAtOnce;
        tileRows = (int)Math.Clamp(wanted, RowsAtOnce, MostRows);
        tilesM = ElementGrid.DivideUp(core.R, tileRows);
        kernel = device.Kernels.Load(Request(dtype));
        sum = new CoreSumLauncher(device, core, tilesN, tilesM, alpha);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => ElementGrid.DTypes.Select(Request);

    /// <summary>Bytes of the partial sums.</summary>
    public long WorkspaceBytes => sum.WorkspaceBytes;

    /// <summary>Kernels of one run.</summary>
    public int Launches => core.R == 0 && core.S == 0 ? 0 : Tiles == 0 ? 1 : 2;

    /// <summary>What runs.</summary>
    public string Description => $"{kernel.Name} ({dtype.Label()}{(layers > 1 ? $" in {layers} layers" : "")}, {tilesM}×{tilesN} tiles of {tileRows}×{TileColumns}) + {sum.Name}";

    private long Tiles => checked(tilesM * tilesN);

    /// <summary>Launches both.</summary>
    public void Launch(nint h, nint workspace, (nint Row, nint Column) scales, (nint Row, nint Column) gradients, StreamHandle stream)
    {
        if (Launches == 0)
        {
            return;
        }

        if (Tiles > 0)
        {
            var arguments = new Arguments
            {
                H = h,
                RowScale = scales.Row,
                ColumnScale = scales.Column,
                RowPartial = workspace,
                ColumnPartial = sum.ColumnPartial(workspace),
                Core = new CoreArguments(core),
                TileRows = (uint)tileRows,
                TilesN = (uint)tilesN,
                Layers = layers,
            };
            kernel.Launch(arguments, (checked((uint)Tiles), 1, 1), Threads, SharedBytes, stream, overlaps: true);
        }

        sum.Launch(workspace, gradients.Row, gradients.Column, stream);
    }

    private static KernelRequest Request(DType dtype) =>
        new("gemm/core_marginals.cu", "core_marginals", [ProductConfig.Macro("DTYPE", (int)dtype)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

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
        public int Layers;
        public int Padding;
    }
}
