using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="CoreExpansionStep"/> by kernels/gemm/core_expansion.cu.</summary>
internal sealed class CoreExpansionLauncher : CompiledStep
{
    private const int CoreThreads = 256;
    private const int Places = 128;
    private const int QuadColumns = 4;
    private const int QuadRows = Places / QuadColumns;
    private const int Depth = 8;
    private const int TileOuts = 16;

    // Sixteen features of the first mode for each; four where there are more than sixteen, so that the core is generated no more often.
    private static readonly int[] TileCounts = [1, 4];

    private readonly CoreExpansionStep step;
    private readonly Arguments prepared;
    private readonly CudaKernel kernel;
    private readonly (uint X, uint Y, uint Z) grid;
    private readonly int tiles;

    /// <summary>Prepares the step.</summary>
    /// <exception cref="NotSupportedException">Dtypes that the kernel doesn't take.</exception>
    public CoreExpansionLauncher(CudaDevice device, CoreExpansionStep step)
    {
        CheckDTypes(step);
        this.step = step;
        long contracted = step.OverColumns ? step.Core.S : step.Core.R;
        KroneckerMode first = step.First;
        prepared = new Arguments
        {
            Core = new CoreArguments(step.Core),
            Factor = new RandomSourceArguments(step.Factors, first.Stream),
            Rest = contracted / first.In,
            In = checked((int)first.In),
            Out = checked((int)first.Out),
            InStep = first.Contract ? checked((int)first.FactorColumns) : 1,
            OutStep = first.Contract ? 1 : checked((int)first.FactorColumns),
            Alpha = (float)step.Alpha,
            OverColumns = step.OverColumns ? 1 : 0,
        };
        tiles = TileCounts[first.Out <= TileOuts ? 0 : 1];
        long places = step.OverColumns
            ? checked(ElementGrid.DivideUp(prepared.Rest, QuadColumns) * ElementGrid.DivideUp(step.Core.R, QuadRows))
            : ElementGrid.DivideUp(checked(prepared.Rest * step.Core.S), Places);
        grid = (checked((uint)places), checked((uint)ElementGrid.DivideUp(first.Out, tiles * TileOuts)), 1);
        kernel = device.Kernels.Load(Request(step.Output.DType, tiles));
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from dtype in ElementGrid.DTypes
        from tiles in TileCounts
        select Request(dtype, tiles);

    /// <inheritdoc/>
    public override int Launches => grid.X == 0 || grid.Y == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description =>
        $"{kernel.Name} ({step.Output.DType.Label()}, {(step.OverColumns ? "columns" : "rows")}, {prepared.In} → {prepared.Out}, {grid.X}×{grid.Y} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (Launches == 0)
        {
            return;
        }

        nint rows = ProductKernels.At(addresses, step.RowScale), columns = ProductKernels.At(addresses, step.ColumnScale);
        Arguments arguments = prepared;
        arguments.Output = addresses[step.Output.Slot];
        (arguments.Inner, arguments.Outer) = step.OverColumns ? (columns, rows) : (rows, columns);
        kernel.Launch(arguments, grid, CoreThreads + (32 * tiles), Depth * (Places + (tiles * TileOuts)) * sizeof(float), stream, overlaps: true);
    }

    private static KernelRequest Request(DType dtype, int tiles) =>
        new("gemm/core_expansion.cu", "core_expansion", [ProductConfig.Macro("DTYPE", (int)dtype), ProductConfig.Macro("TILES", tiles)]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static void CheckDTypes(CoreExpansionStep step)
    {
        ProductKernels.Require(ElementGrid.DTypes.Contains(step.Output.DType), step.Label, "Output", step.Output.DType, "float32, bfloat16 or float16");
        ProductKernels.Require(step.RowScale is null or { DType: DType.Float32 }, step.Label, "RowScale", step.RowScale?.DType ?? DType.Float32, "float32");
        ProductKernels.Require(step.ColumnScale is null or { DType: DType.Float32 }, step.Label, "ColumnScale", step.ColumnScale?.DType ?? DType.Float32, "float32");
    }

    /// <summary>The layout of <c>tera::gemm::CoreExpansionArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint Output;
        public nint Inner;
        public nint Outer;
        public CoreArguments Core;
        public RandomSourceArguments Factor;
        public long Rest;
        public int In;
        public int Out;
        public int InStep;
        public int OutStep;
        public float Alpha;
        public int OverColumns;
    }
}
