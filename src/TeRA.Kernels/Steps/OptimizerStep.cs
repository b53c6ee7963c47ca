using System.Runtime.InteropServices;

namespace TeRA.Kernels.Steps;

/// <summary>The update rules.</summary>
internal enum OptimizerKind
{
    /// <summary>v ← µ·v + g + λ·w; w ← w − η·v (v is g + λ·w itself in the first step and when µ = 0).</summary>
    Sgd,

    /// <summary>AdamW (Loshchilov, Hutter 2019): decoupled weight decay, bias-corrected moments.</summary>
    AdamW,
}

/// <summary>One parameter of the table that an optimiser step walks: where its values and gradients are, and its place in the flat state.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ParameterSegment
{
    /// <summary>Address of the values, float32 (float64).</summary>
    public long Value;

    /// <summary>Address of the gradients, same dtype.</summary>
    public long Gradient;

    /// <summary>First element's index in the moments; segments are sorted by it and tile 0…Total−1.</summary>
    public long Offset;

    /// <summary>Elements.</summary>
    public long Count;
}

/// <summary>The numbers of an optimiser step that may change between graph replays; they live in device memory. 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct OptimizerSettings
{
    /// <summary>η.</summary>
    public float LearningRate;

    /// <summary>β₁ of AdamW, or µ (momentum) of SGD.</summary>
    public float Beta1;

    /// <summary>β₂ of AdamW.</summary>
    public float Beta2;

    /// <summary>ε of AdamW, added to the root of the corrected second moment.</summary>
    public float Epsilon;

    /// <summary>λ.</summary>
    public float WeightDecay;

    /// <summary>Gradients are multiplied by it first: 1/(loss scale).</summary>
    public float GradientScale;

    /// <summary>Steps done before this one; the step itself increments it.</summary>
    public int StepsDone;

    /// <summary>Nonzero: the gradients are set to zero after they are used.</summary>
    public int ClearGradients;
}

/// <summary>One update of all trained parameters, in one launch (a second, one-thread launch may count the step).</summary>
/// <param name="Kind">Rule.</param>
/// <param name="DType">float32, or float64 on the CPU.</param>
/// <param name="SegmentsSlot">Slot of <paramref name="Segments"/> <see cref="ParameterSegment"/> in the device's memory.</param>
/// <param name="SettingsSlot">Slot of one <see cref="OptimizerSettings"/> in the device's memory.</param>
/// <param name="FirstMomentSlot">Slot of <paramref name="Total"/> elements: m, or v of SGD.</param>
/// <param name="SecondMomentSlot">Slot of <paramref name="Total"/> elements: v of AdamW; unused by SGD.</param>
/// <param name="Segments">Number of segments.</param>
/// <param name="Total">Elements of all segments.</param>
internal sealed record OptimizerStep(
    OptimizerKind Kind, DType DType, int SegmentsSlot, int SettingsSlot, int FirstMomentSlot, int SecondMomentSlot, int Segments, long Total) : Step
{
    /// <inheritdoc/>
    public override double Operations => 12.0 * Total;

    /// <inheritdoc/>
    public override double Bytes => 7.0 * Total * DType.Size();
}
