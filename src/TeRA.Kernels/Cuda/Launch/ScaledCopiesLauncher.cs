using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="ScaledCopiesStep"/> by kernels/elementwise/scaled_copies.cu.</summary>
internal sealed class ScaledCopiesLauncher : CompiledStep
{
    private readonly ScaledCopiesStep step;
    private readonly CudaKernel kernel;
    private readonly uint width;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public ScaledCopiesLauncher(CudaDevice device, ScaledCopiesStep step)
    {
        this.step = step;
        kernel = device.Kernels.Load(Request(step.Input.DType, step.Output.DType));
        width = (uint)Math.Min(ElementGrid.Threads, (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(1, ElementGrid.DivideUp(step.Columns, 4))));
        blocks = step.Columns == 0 ? 0 : ElementGrid.Blocks(device, kernel, checked(step.Copies * step.Rows), ElementGrid.Threads / (int)width);
    }

    /// <summary>Every variant of the kernel.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from input in ElementGrid.DTypes
        from output in ElementGrid.DTypes
        select Request(input, output);

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 0 : 1;

    /// <inheritdoc/>
    public override string Description => $"{kernel.Name}({step.Input.DType.Label()} to {step.Output.DType.Label()}, {width} threads a row, {blocks} blocks)";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Input = addresses[step.Input.Slot],
            Output = addresses[step.Output.Slot],
            RowScale = step.RowScale is { } rows ? addresses[rows.Slot] : 0,
            ColumnScale = step.ColumnScale is { } columns ? addresses[columns.Slot] : 0,
            Rows = step.Rows,
            Columns = step.Columns,
            Stride = step.Stride,
            Copies = step.Copies,
            RowByRow = step.Order == CopyOrder.RowByRow ? 1u : 0,
            Width = width,
        };
        kernel.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
    }

    private static KernelRequest Request(DType input, DType output) =>
        new("elementwise/scaled_copies.cu", "scaled_copies", [$"-DTERA_INPUT={(int)input}", $"-DTERA_OUTPUT={(int)output}"]) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Input;
        public nint Output;
        public nint RowScale;
        public nint ColumnScale;
        public long Rows;
        public long Columns;
        public long Stride;
        public long Copies;
        public uint RowByRow;
        public uint Width;
    }
}
