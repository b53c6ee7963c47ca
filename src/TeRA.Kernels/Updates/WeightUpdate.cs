using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>
/// A weight update as data: ΔW = Left · Core · Right (N×R, R×S, S×K), each operator frozen-random, trained, or both, and the factor α
/// of Y = X·W0ᵀ + b + α·X·ΔWᵀ. A method is a description of this kind and nothing else; the planner and the devices know only operators.
/// </summary>
public abstract record WeightUpdate
{
    /// <summary>The method's name as users write it: <c>tera</c>, <c>lora</c> …</summary>
    public abstract string Method { get; }

    /// <summary>N×R.</summary>
    public abstract UpdateOperator Left { get; }

    /// <summary>R×S.</summary>
    public abstract UpdateOperator Core { get; }

    /// <summary>S×K.</summary>
    public abstract UpdateOperator Right { get; }

    /// <summary>α, computed in double and rounded once to float32.</summary>
    public abstract float Alpha { get; }

    /// <summary>What is trained, in file order.</summary>
    public abstract ImmutableArray<TrainedTensor> Trained { get; }

    /// <summary>Frozen tensors that each layer is given beside its weight; none for most methods.</summary>
    public virtual ImmutableArray<StoredTensor> Stored => [];

    /// <summary>Upper bound of the rank of ΔW, reached almost surely by continuous distributions.</summary>
    public abstract long RankBound { get; }

    /// <summary>The seed that trained tensors with a random start are drawn from.</summary>
    public virtual RandomSource StartSource => new(0, Distribution.Uniform);

    /// <summary>N.</summary>
    public long OutFeatures => Left.Rows;

    /// <summary>K.</summary>
    public long InFeatures => Right.Columns;

    /// <summary>Trained numbers of one layer.</summary>
    public long TrainedCount => Trained.Sum(tensor => tensor.Count);

    /// <summary>Numbers of all frozen-random factors, which are never stored; <see cref="Stored"/> tensors are not counted.</summary>
    public long FactorCount => Numbers(Left) + Numbers(Core) + Numbers(Right);

    /// <summary>Bytes that the frozen-random factors would take if they were stored.</summary>
    public long FactorBytes(DType dtype) => checked(FactorCount * dtype.Size());

    private static long Numbers(UpdateOperator operation) => operation switch
    {
        RandomOperator random => checked(random.Rows * random.Columns),
        ScaledOperator scaled => Numbers(scaled.Matrix),
        TransposedOperator transposed => Numbers(transposed.Inner),
        KroneckerOperator kronecker => kronecker.Factors.Sum(factor => checked(factor.Features * factor.Rank)),
        _ => 0,
    };

    private protected static void CheckFinite(double value, string name)
    {
        // α is a float32: a factor that overflows it would make every product infinite.
        if (!float.IsFinite((float)value))
        {
            throw new ArgumentException($"Expected a number that is finite in float32, found {value}.", name);
        }
    }
}
