using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// Frozen bases as PEFT draws them from a key, shared by all modules of a VeRA or RandLoRA adapter. Adapters that are trained with them move to PEFT
/// and back.
/// </summary>
/// <example>
/// <code>
/// PeftBases bases = PeftBases.DrawVera(key: 0, rank: 256, [new LayerSize(4096, 4096), new LayerSize(11008, 4096)]);
/// using Tensor a = bases.CopyA(device), b = bases.CopyB(device);
/// var update = new VeraUpdate(4096, 4096, 256, bases.Description);
/// using var layer = new AdaptedLinear(device, weight, null, update, given: new GivenTensors { Stored = [a, b] });
/// </code>
/// </example>
public sealed class PeftBases
{
    private PeftBases(ulong key, BaseKind kind, Projection projection)
    {
        Key = key;
        Kind = kind;
        Projection = projection;
    }

    /// <summary><c>projection_prng_key</c>.</summary>
    public ulong Key { get; }

    /// <summary>What they are drawn from.</summary>
    public BaseKind Kind { get; }

    /// <summary>What an update needs to know of them.</summary>
    public FrozenBases Description => Projection.Frozen;

    internal Projection Projection { get; }

    /// <summary>VeRA's bases.</summary>
    /// <param name="key"><c>projection_prng_key</c>.</param>
    /// <param name="rank">r.</param>
    /// <param name="sizes">Of all modules.</param>
    /// <exception cref="ArgumentException">There is no module, or a size or the rank is below 1.</exception>
    public static PeftBases DrawVera(ulong key, long rank, IEnumerable<LayerSize> sizes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        return new PeftBases(key, BaseKind.Dense, VeraProjection.Generate((uint)key, rank, Largest(sizes)));
    }

    /// <summary>RandLoRA's bases.</summary>
    /// <param name="key"><c>projection_prng_key</c>.</param>
    /// <param name="rank">r.</param>
    /// <param name="sizes">Of all modules.</param>
    /// <param name="kind">What they are drawn from. A dense draw has only 256 levels (bfloat16); that is fine for random bases.</param>
    /// <exception cref="ArgumentException">There is no module, or a size or the rank is below 1.</exception>
    public static PeftBases DrawRandLora(ulong key, long rank, IEnumerable<LayerSize> sizes, BaseKind kind = BaseKind.Dense)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        RandLoraProjection draw = RandLoraProjection.For(rank, Largest(sizes));
        return new PeftBases(key, kind, kind == BaseKind.Dense ? draw.Dense((uint)key, DType.BFloat16) : draw.Sparse((uint)key, kind == BaseKind.VerySparse));
    }

    /// <summary>A, on a device; the caller's to dispose.</summary>
    public Tensor CopyA(Device device) => Copy(device, Projection.A);

    /// <summary>B, on a device; the caller's to dispose.</summary>
    public Tensor CopyB(Device device) => Copy(device, Projection.B);

    private static Tensor Copy(Device device, HostTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.From<float>(tensor.Values, tensor.Shape.AsSpan());
    }

    private static LayerSize Largest(IEnumerable<LayerSize> sizes)
    {
        ArgumentNullException.ThrowIfNull(sizes);
        LayerSize[] all = [.. sizes];
        return all.Length > 0 && all.All(size => size is { OutFeatures: > 0, InFeatures: > 0 })
            ? new LayerSize(all.Max(size => size.OutFeatures), all.Max(size => size.InFeatures))
            : throw new ArgumentException($"Expected the sizes of one or more layers, each from 1x1, found {(all.Length == 0 ? "none" : string.Join(", ", all))}.", nameof(sizes));
    }
}
