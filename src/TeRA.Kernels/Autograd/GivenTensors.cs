namespace TeRA.Kernels;

/// <summary>What a layer's update is given from outside: frozen tensors, and parameters that several layers share. All stay the caller's, who keeps them alive.</summary>
public sealed record GivenTensors
{
    /// <summary>One tensor for each entry of <see cref="WeightUpdate.Stored"/>, on the layer's device; only read.</summary>
    public IReadOnlyList<Tensor> Stored { get; init; } = [];

    /// <summary>One parameter for each trained tensor that <see cref="TrainedTensor.IsShared"/>, in order; none: the layer makes its own.</summary>
    public IReadOnlyList<Parameter> Shared { get; init; } = [];
}
