namespace TeRA.Kernels.Formats;

/// <summary>The frozen bases that all modules of a VeRA or RandLoRA adapter share, as PEFT names, shapes and lays them out.</summary>
/// <param name="A">VeRA: [r, K]; RandLoRA: [r, 1, m].</param>
/// <param name="B">VeRA: [N, r]; RandLoRA: [M, n, r].</param>
internal sealed record Projection(HostTensor A, HostTensor B)
{
    /// <summary>The bases as a layer's update names them.</summary>
    public FrozenBases Frozen => FrozenBases.Given(DType.Float32, A.Shape, B.Shape);
}
