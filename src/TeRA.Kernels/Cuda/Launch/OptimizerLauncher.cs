using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Runs <see cref="OptimizerStep"/> by kernels/optim/optimizer.cu: one launch for all parameters, one thread to count the step.</summary>
internal sealed class OptimizerLauncher : CompiledStep
{
    private const string File = "optim/optimizer.cu";

    private static readonly KernelRequest Update = new(File, "optimizer_step", []) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };
    private static readonly KernelRequest Count = new(File, "count_step", []) { ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private readonly OptimizerStep step;
    private readonly CudaKernel update;
    private readonly CudaKernel count;
    private readonly uint blocks;

    /// <summary>Prepares the step.</summary>
    public OptimizerLauncher(CudaDevice device, OptimizerStep step)
    {
        this.step = step;
        update = device.Kernels.Load(Update);
        count = device.Kernels.Load(Count);
        blocks = ElementGrid.Blocks(device, update, step.Total, ElementGrid.Threads);
    }

    /// <summary>Both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants => [Update, Count];

    /// <inheritdoc/>
    public override int Launches => blocks == 0 ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"{update.Name}({step.Kind}, {step.Segments} segments, {blocks} blocks) + {count.Name}";

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        var arguments = new Arguments
        {
            Segments = addresses[step.SegmentsSlot],
            Settings = addresses[step.SettingsSlot],
            FirstMoment = addresses[step.FirstMomentSlot],
            SecondMoment = step.Kind == OptimizerKind.AdamW ? addresses[step.SecondMomentSlot] : 0,
            Total = step.Total,
            SegmentCount = (uint)step.Segments,
            Kind = (uint)step.Kind,
        };
        update.Launch(arguments, (blocks, 1, 1), ElementGrid.Threads, 0, stream);
        count.Launch(arguments, (1, 1, 1), 1, 0, stream);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Arguments
    {
        public nint Segments;
        public nint Settings;
        public nint FirstMoment;
        public nint SecondMoment;
        public long Total;
        public uint SegmentCount;
        public uint Kind;
    }
}
