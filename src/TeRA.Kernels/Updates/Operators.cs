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

/// <summary>The top left part of a frozen matrix that the layer is given, read in place.</summary>
/// <param name="Rows">Rows, at most those of the stored matrix.</param>
/// <param name="Columns">Columns, at most those of the stored matrix.</param>
/// <param name="Stored">Index into <see cref="WeightUpdate.Stored"/>.</param>
public sealed record StoredOperator(long Rows, long Columns, int Stored) : UpdateOperator(Rows, Columns);

/// <summary>How the rows of n scaled copies of a matrix of r rows are numbered.</summary>
public enum CopyOrder
{
    /// <summary>Row ρ of copy b is number b·r + ρ.</summary>
    CopyByCopy,

    /// <summary>Row ρ of copy b is number ρ·n + b.</summary>
    RowByRow,
}

/// <summary>
/// n copies of a frozen matrix M (r×K) below each other, the rows and columns of each scaled by trained numbers of its own: row (ρ, b), column k is
/// λ[ρ, b]·M[ρ, k]·γ[b, k] with λ r×n and γ n×K. One copy is diag(λ)·M·diag(γ).
/// </summary>
/// <param name="Matrix">M: a <see cref="RandomOperator"/> or a <see cref="StoredOperator"/>.</param>
/// <param name="Copies">n.</param>
/// <param name="Order">The numbering of the rows.</param>
/// <param name="RowScale">Index of λ in <see cref="WeightUpdate.Trained"/>.</param>
/// <param name="ColumnScale">Index of γ in <see cref="WeightUpdate.Trained"/>.</param>
public sealed record ScaledOperator(UpdateOperator Matrix, long Copies, CopyOrder Order, int RowScale, int ColumnScale)
    : UpdateOperator(checked(Matrix.Rows * Copies), Matrix.Columns);

/// <summary>The transpose of another operator, which lies in memory as that one does.</summary>
/// <param name="Inner">The other.</param>
public sealed record TransposedOperator(UpdateOperator Inner) : UpdateOperator(Inner.Columns, Inner.Rows);

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
