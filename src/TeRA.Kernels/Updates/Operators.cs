using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>One of the three operators of an update ΔW = Left · Core · Right, as data.</summary>
/// <param name="Rows">Rows of its matrix.</param>
/// <param name="Columns">Columns of its matrix.</param>
public abstract record UpdateOperator(long Rows, long Columns);

/// <summary>The identity.</summary>
/// <param name="Size">Rows and columns.</param>
public sealed record IdentityOperator(long Size) : UpdateOperator(Size, Size);

/// <summary>A frozen-random matrix, element (i, j) being number i·Columns + j of its stream.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
/// <param name="Source">Seed and distribution.</param>
/// <param name="Stream">Its stream.</param>
public sealed record RandomOperator(long Rows, long Columns, RandomSource Source, uint Stream) : UpdateOperator(Rows, Columns);

/// <summary>A trained matrix.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
/// <param name="Trained">Index into <see cref="WeightUpdate.Trained"/>.</param>
public sealed record TrainedOperator(long Rows, long Columns, int Trained) : UpdateOperator(Rows, Columns);

/// <summary>One frozen-random factor of a Kronecker product.</summary>
/// <param name="Features">Its rows: the length of the feature mode (J or I).</param>
/// <param name="Rank">Its columns: the rank of the mode (R or S).</param>
/// <param name="Stream">Its random stream; element (i, r) is number i·Rank + r.</param>
/// <param name="Trained">Index into <see cref="WeightUpdate.Trained"/> of the vector that scales its columns.</param>
public readonly record struct KroneckerFactor(long Features, long Rank, uint Stream, int Trained);

/// <summary>
/// (⊗ₙ Fₙ)·diag(⊗ₙ vₙ), features × ranks: frozen-random factors Fₙ with a trained vector vₙ on each rank mode.
/// As the right operator it stands transposed: diag(⊗ vₘ)·(⊗ Fₘ)ᵀ.
/// </summary>
/// <param name="Factors">At least one; row-major, the last mode fastest.</param>
/// <param name="Source">Seed and distribution.</param>
/// <param name="Transposed">True for the right operator.</param>
public sealed record KroneckerOperator(ImmutableArray<KroneckerFactor> Factors, RandomSource Source, bool Transposed)
    : UpdateOperator(
        Transposed ? Product(Factors, false) : Product(Factors, true),
        Transposed ? Product(Factors, true) : Product(Factors, false))
{
    /// <summary>Π of the feature modes.</summary>
    public long Features => Product(Factors, true);

    /// <summary>Π of the rank modes.</summary>
    public long Rank => Product(Factors, false);

    private static long Product(ImmutableArray<KroneckerFactor> factors, bool features) =>
        factors.Aggregate(1L, (product, factor) => checked(product * (features ? factor.Features : factor.Rank)));
}
