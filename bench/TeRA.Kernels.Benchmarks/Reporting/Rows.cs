using System.Text.Json.Serialization;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>One layer problem that ours and theirs are compared on.</summary>
/// <param name="Tokens">B.</param>
/// <param name="OutFeatures">N.</param>
/// <param name="InFeatures">K.</param>
/// <param name="Layers">Layers in turn inside one CUDA graph.</param>
internal readonly record struct LayerShape(long Tokens, long OutFeatures, long InFeatures, int Layers)
{
    /// <summary>4096 squared, 8192 tokens: where most is compared.</summary>
    public static LayerShape Main { get; } = new(8192, 4096, 4096, 1);

    /// <inheritdoc/>
    public override string ToString() =>
        (OutFeatures == InFeatures ? $"{OutFeatures}²" : $"N={OutFeatures} K={InFeatures}") + $", B={Tokens}" + (Layers > 1 ? $", {Layers} layers" : "");
}

/// <summary>A measured adapted layer; times in µs of all its layers, ratios to the frozen layer.</summary>
internal sealed record LayerRow
{
    /// <summary>For what ours and theirs are matched by, like <c>lora_r16</c>.</summary>
    public required string Method { get; init; }

    /// <summary>For people.</summary>
    public required string Title { get; init; }

    /// <summary>B.</summary>
    public required long Tokens { get; init; }

    /// <summary>N.</summary>
    public required long OutFeatures { get; init; }

    /// <summary>K.</summary>
    public required long InFeatures { get; init; }

    /// <summary>Layers in turn inside one CUDA graph.</summary>
    public required int Layers { get; init; }

    /// <summary>What becomes of W between forward and backward: rebuild or keep.</summary>
    public required string Policy { get; init; }

    /// <summary>The planner's path.</summary>
    public required string Path { get; init; }

    /// <summary>The frozen layer's forward, cuBLASLt.</summary>
    public required double FrozenForwardUs { get; init; }

    /// <summary>The frozen layer's forward and dX.</summary>
    public required double FrozenStepUs { get; init; }

    /// <summary>Forward.</summary>
    public required double ForwardUs { get; init; }

    /// <summary>Forward, dX and all gradients.</summary>
    public required double StepUs { get; init; }

    /// <summary>Ratio to the frozen forward.</summary>
    public required double Forward { get; init; }

    /// <summary>Ratio to the frozen step.</summary>
    public required double Step { get; init; }

    /// <summary>Where it starts to be good; for shapes beside the main ones 1.15 times what the main one was measured at.</summary>
    public double? ForwardTarget { get; init; }

    /// <summary>The same for the step.</summary>
    public double? StepTarget { get; init; }

    /// <summary>Multiplications and additions of the plan by the step's time.</summary>
    public required double StepTflops { get; init; }

    /// <summary>Fewest bytes through memory of the plan by the step's time.</summary>
    public required double StepGbytesPerSecond { get; init; }

    /// <summary>The sum of the floors of the plan's steps, each alone.</summary>
    public required double StepFloorUs { get; init; }

    /// <summary>The step's time by that sum.</summary>
    public required double FloorRatio { get; init; }

    /// <summary>Scratch and contexts as the plan states them.</summary>
    public required long StatedBytes { get; init; }

    /// <summary>The same as the driver's free memory showed it, which counts in blocks of 2 MiB.</summary>
    public required long MeasuredBytes { get; init; }

    /// <summary>Both are equal but for the driver's blocks.</summary>
    public required bool BytesAgree { get; init; }

    /// <summary>Frozen bases, one copy on the device for all layers.</summary>
    public required long SharedBytes { get; init; }

    /// <summary>Trained numbers of a layer.</summary>
    public required long Trained { get; init; }

    /// <summary>The problem.</summary>
    [JsonIgnore]
    public LayerShape Shape => new(Tokens, OutFeatures, InFeatures, Layers);
}

/// <summary>A measured layer of PyTorch, as the peers' script writes it.</summary>
internal sealed record PeerRow
{
    /// <summary>The method, like <c>lora_r16</c>; <c>frozen</c> and <c>full_ft</c> too.</summary>
    public required string Method { get; init; }

    /// <summary>Of a method with several: merged or factored.</summary>
    public string Variant { get; init; } = "";

    /// <summary>By torch.compile.</summary>
    public bool Compiled { get; init; }

    /// <summary>Of what is trained.</summary>
    public string AdapterDtype { get; init; } = "bfloat16";

    /// <summary>B.</summary>
    public long Tokens { get; init; }

    /// <summary>N.</summary>
    public long OutFeatures { get; init; }

    /// <summary>K.</summary>
    public long InFeatures { get; init; }

    /// <summary>Layers in turn inside one CUDA graph.</summary>
    public int Layers { get; init; } = 1;

    /// <summary>Forward.</summary>
    public double ForwardUs { get; init; }

    /// <summary>Forward, dX and all gradients.</summary>
    public double StepUs { get; init; }

    /// <summary>Ratio to the frozen forward of the same process.</summary>
    public double Forward { get; init; }

    /// <summary>Ratio to the frozen step.</summary>
    public double Step { get; init; }

    /// <summary>Most memory of a step beyond what stays allocated.</summary>
    public double PeakMib { get; init; }

    /// <summary>Trained numbers.</summary>
    public long Trained { get; init; }

    /// <summary>Why it was left out; null when it was measured.</summary>
    public string? Error { get; init; }

    /// <summary>The problem.</summary>
    [JsonIgnore]
    public LayerShape Shape => new(Tokens, OutFeatures, InFeatures, Layers);
}

/// <summary>A measured product beside cuBLASLt's.</summary>
internal sealed record ProductRow(
    string Name, string Kernel, double Us, double CublasltUs, double FloorUs, double Tflops, double GbytesPerSecond, double SpeedRatio, double FloorRatio, double? SpeedTarget);

/// <summary>A measured step of a plan, alone, beside its floor from memory and arithmetic.</summary>
internal sealed record StepRow(string Problem, string Pass, string Step, string Kernel, double Us, double FloorUs, double FloorRatio, double GbytesPerSecond, double Tflops);

/// <summary>A step of a problem by a pair of paths.</summary>
/// <param name="Path">As plans name it: <c>merged</c>, or <c>merged+factored</c> where backward takes the other one.</param>
/// <param name="Us">Measured, on the device.</param>
/// <param name="PredictedUs">What the planner predicted then.</param>
internal sealed record PathTime(string Path, double Us, double PredictedUs);

/// <summary>Every pair of paths of a problem measured, and what the planner chose.</summary>
internal sealed record RegretRow(string Method, long Tokens, long OutFeatures, long InFeatures, IReadOnlyList<PathTime> Paths, string Choice, double Regret)
{
    /// <summary>The problem.</summary>
    [JsonIgnore]
    public LayerShape Shape => new(Tokens, OutFeatures, InFeatures, 1);

    /// <summary>How much longer than the shortest the choice takes, as a share of the shortest.</summary>
    public static double RegretOf(IReadOnlyList<PathTime> paths, string choice) => (paths.First(path => path.Path == choice).Us / paths.Min(path => path.Us)) - 1;
}

/// <summary>What a call costs the host.</summary>
internal sealed record HostRow(string Name, double Nanoseconds, double StandardError, long? Bytes);
