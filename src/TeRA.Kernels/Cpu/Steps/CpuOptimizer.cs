using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>One update of all trained parameters: chunks of the flat state, each walking the segments that it touches.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuOptimizer<T>(WorkerPool pool, OptimizerStep step)
    : CpuStep(pool, step.Kind == OptimizerKind.AdamW ? "adamw" : "sgd")
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Chunk = 4096;
    private ParameterSegment* segments;
    private OptimizerSettings* settings;
    private OptimizerRule<T> rule;
    private T* firstMoment;
    private T* secondMoment;

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        segments = (ParameterSegment*)addresses[step.SegmentsSlot];
        settings = (OptimizerSettings*)addresses[step.SettingsSlot];
        firstMoment = (T*)addresses[step.FirstMomentSlot];
        secondMoment = step.Kind == OptimizerKind.AdamW ? (T*)addresses[step.SecondMomentSlot] : null;
        rule = new OptimizerRule<T>(*settings);
        Pool.Run(this, 0, Parts(step.Total, Chunk));
        settings->StepsDone++;
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long first = item * Chunk, end = Math.Min(first + Chunk, step.Total);
        for (int i = FirstSegment(first); i < step.Segments && segments[i].Offset < end; i++)
        {
            ParameterSegment segment = segments[i];
            long from = Math.Max(first, segment.Offset), to = Math.Min(end, segment.Offset + segment.Count);
            if (from < to)
            {
                T* values = (T*)segment.Value + (from - segment.Offset), gradients = (T*)segment.Gradient + (from - segment.Offset);
                Update(values, gradients, from, to - from);
            }
        }
    }

    /// <summary>The last segment that starts at or before an element; segments are sorted.</summary>
    private int FirstSegment(long element)
    {
        int low = 0, high = step.Segments;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            (low, high) = segments[middle].Offset <= element ? (middle, high) : (low, middle);
        }

        return low;
    }

    private void Update(T* values, T* gradients, long offset, long count)
    {
        if (step.Kind == OptimizerKind.AdamW)
        {
            rule.AdamW(values, gradients, firstMoment + offset, secondMoment + offset, count);
        }
        else
        {
            rule.Sgd(values, gradients, firstMoment + offset, count);
        }

        if (settings->ClearGradients != 0)
        {
            new Span<T>(gradients, checked((int)count)).Clear();
        }
    }
}
