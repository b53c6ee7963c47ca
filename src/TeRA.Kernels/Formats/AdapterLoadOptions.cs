namespace TeRA.Kernels;

/// <summary>Choices of <see cref="Adapter.Load"/>.</summary>
public sealed record AdapterLoadOptions
{
    /// <summary>Whether a missing, unknown or misshapen tensor is an error; otherwise reports name it and its module is left out.</summary>
    public bool Strict { get; init; } = true;

    /// <summary>
    /// The dtype in which PEFT drew RandLoRA's dense bases, where they have to be drawn again: bfloat16, or float16 if the adapter was trained on a
    /// machine without bfloat16. The file doesn't say.
    /// </summary>
    public DType DrawnAs { get; init; } = DType.BFloat16;
}
