namespace TeRA.Kernels;

/// <summary>Choices of <see cref="AdapterWriter"/>.</summary>
public sealed record AdapterSaveOptions
{
    /// <summary>Whether files that are already there may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Where the base model is to be had.</summary>
    public string? BaseModelNameOrPath { get; init; }

    /// <summary>LORA, VERA and RANDLORA: whether the base keeps its weights as K×N (<c>fan_in_fan_out</c>).</summary>
    public bool IsBaseTransposed { get; init; }

    /// <summary>The frozen bases of VeRA and RandLoRA modules, which are written with them.</summary>
    public PeftBases? Bases { get; init; }

    /// <summary>LoTR: the modules that share L and R; null: all of them.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Groups { get; init; }
}
