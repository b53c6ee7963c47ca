using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The last launch of every step that makes the gradients of the core's diagonals: adds up partial sums in order
/// (kernels/gemm/core_projection_sum.cu). They lie in the workspace, first those of the rows, then those of the columns.
/// </summary>
internal sealed class CoreSumLauncher
{
    private const int Threads = 256;
    private const int Elements = 32;
    private const int SharedBytes = Threads * sizeof(float);

    private static readonly KernelRequest Request =
        new("gemm/core_projection_sum.cu", "core_projection_sum", []) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private readonly CudaKernel kernel;
    private readonly CoreSource core;
    private readonly (int Rows, int Columns) layers;
    private readonly float alpha;

    /// <summary>Prepares the sums.</summary>
    /// <param name="device">Where they run.</param>
    /// <param name="core">Whose diagonals.</param>
    /// <param name="rowLayers">Partial sums of each row.</param>
    /// <param name="columnLayers">Partial sums of each column.</param>
    /// <param name="alpha">Factor of both results.</param>
    public CoreSumLauncher(CudaDevice device, CoreSource core, long rowLayers, long columnLayers, double alpha)
    {
        this.core = core;
        this.alpha = (float)alpha;
        layers = (checked((int)rowLayers), checked((int)columnLayers));
        kernel = device.Kernels.Load(Request);
    }

    /// <summary>The kernel.</summary>
    public static IEnumerable<KernelRequest> Variants => [Request];

    /// <summary>Its name.</summary>
    public string Name => kernel.Name;

    /// <summary>Bytes of all partial sums.</summary>
    public long WorkspaceBytes => checked(RowBytes + (layers.Columns * core.S * sizeof(float)));

    private long RowBytes => checked(layers.Rows * core.R * sizeof(float));

    /// <summary>Where the partial sums of the columns begin.</summary>
    /// <param name="workspace">Where those of the rows begin.</param>
    public nint ColumnPartial(nint workspace) => workspace + (nint)RowBytes;

    /// <summary>Adds them up.</summary>
    public void Launch(nint workspace, nint rowGradient, nint columnGradient, StreamHandle stream)
    {
        uint rowBlocks = checked((uint)ElementGrid.DivideUp(core.R, Elements));
        var arguments = new Arguments
        {
            RowPartial = workspace,
            ColumnPartial = ColumnPartial(workspace),
            RowGradient = rowGradient,
            ColumnGradient = columnGradient,
            Rows = core.R,
            Columns = core.S,
            RowLayers = layers.Rows,
            ColumnLayers = layers.Columns,
            Alpha = alpha,
            RowBlocks = rowBlocks,
        };
        kernel.Launch(arguments, (checked(rowBlocks + (uint)ElementGrid.DivideUp(core.S, Elements)), 1, 1), Threads, SharedBytes, stream, overlaps: true);
    }

    /// <summary>The layout of <c>tera::gemm::CoreProjectionSumArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Arguments
    {
        public nint RowPartial;
        public nint ColumnPartial;
        public nint RowGradient;
        public nint ColumnGradient;
        public long Rows;
        public long Columns;
        public int RowLayers;
        public int ColumnLayers;
        public float Alpha;
        public uint RowBlocks;
    }
}
