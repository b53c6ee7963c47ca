using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// The two frozen matrices A and B of VeRA and RandLoRA: drawn from a seed wherever they are used (factor format 1, B stream 0, A stream 1),
/// or tensors that the caller gives to each layer, for example those of a PEFT file. Given ones are shared: every layer reads the top left
/// part that it needs, in place, so that one copy on a device serves all layers.
/// </summary>
public sealed record FrozenBases
{
    private FrozenBases()
    {
    }

    /// <summary>Seed and distribution of generated bases; null for given ones.</summary>
    public RandomSource? Source { get; private init; }

    /// <summary>Element type of given bases.</summary>
    public DType DType { get; private init; }

    /// <summary>Shape of the given A, at least two lengths; empty for generated bases.</summary>
    public ImmutableArray<long> ShapeA { get; private init; } = [];

    /// <summary>Shape of the given B, at least two lengths; empty for generated bases.</summary>
    public ImmutableArray<long> ShapeB { get; private init; } = [];

    /// <summary>Bases drawn from a seed; never stored.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="distribution">Of both; normal by default.</param>
    public static FrozenBases Generated(ulong seed = 0, Distribution distribution = default) => new() { Source = new RandomSource(seed, distribution) };

    /// <summary>Bases that each layer is given as tensors of these shapes (<see cref="GivenTensors.Stored"/>: A, then B).</summary>
    /// <param name="dtype">Of both.</param>
    /// <param name="shapeA">[r, …]; the lengths after the first are flattened, RandLoRA's [r, 1, m] to r×m.</param>
    /// <param name="shapeB">[M, …]; flattened likewise, RandLoRA's [M, n, r] to M×(n·r).</param>
    /// <exception cref="ArgumentException">A shape has fewer than two lengths, or one below 1.</exception>
    public static FrozenBases Given(DType dtype, ImmutableArray<long> shapeA, ImmutableArray<long> shapeB)
    {
        Check(shapeA, nameof(shapeA));
        Check(shapeB, nameof(shapeB));
        return new FrozenBases { DType = dtype, ShapeA = shapeA, ShapeB = shapeB };
    }

    /// <summary>Bases of the shapes and dtype of these tensors.</summary>
    /// <param name="a">A.</param>
    /// <param name="b">B, the same dtype.</param>
    /// <exception cref="ArgumentException">The dtypes differ, or a tensor has fewer than two dimensions.</exception>
    public static FrozenBases Given(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return a.DType == b.DType
            ? Given(a.DType, [.. a.Shape], [.. b.Shape])
            : throw new ArgumentException($"Expected the dtype of A, {a.DType.Label()}, found {b}. Convert one of them.", nameof(b));
    }

    /// <summary>The tensors that a layer must be given: A and B, or none.</summary>
    internal ImmutableArray<StoredTensor> Stored(string nameA, string nameB) =>
        Source is null ? [new StoredTensor(nameA, ShapeA, DType), new StoredTensor(nameB, ShapeB, DType)] : [];

    /// <summary>The A of a layer, rows×columns.</summary>
    internal UpdateOperator A(long rows, long columns) => Operator(this, rows, columns, ShapeA, nameof(A), 1, 0);

    /// <summary>The B of a layer, rows×columns.</summary>
    internal UpdateOperator B(long rows, long columns) => Operator(this, rows, columns, ShapeB, nameof(B), 0, 1);

    private static UpdateOperator Operator(FrozenBases bases, long rows, long columns, ImmutableArray<long> shape, string name, uint stream, int stored)
    {
        if (bases.Source is { } source)
        {
            return new RandomOperator(rows, columns, source, stream);
        }

        long width = shape.Skip(1).Aggregate(1L, (product, length) => checked(product * length));
        return rows <= shape[0] && columns <= width
            ? new StoredOperator(rows, columns, stored)
            : throw new ArgumentException(
                $"The given {name} is [{string.Join(", ", shape)}], but the layer needs its first {rows} rows and {columns} columns. Give the bases that were made for the largest layer.",
                nameof(bases));
    }

    private static void Check(ImmutableArray<long> shape, string name)
    {
        if (shape.IsDefault || shape.Length < 2 || shape.Any(length => length < 1))
        {
            throw new ArgumentException($"Expected at least two lengths of at least 1, found [{(shape.IsDefault ? "" : string.Join(", ", shape))}].", name);
        }
    }
}
