namespace TeRA.Kernels.Cpu.Simd;

/// <summary>The few vector operations that the product kernels need, so that one kernel serves every width; the JIT specialises it.</summary>
/// <typeparam name="TVector">The vector.</typeparam>
/// <typeparam name="T">float or double.</typeparam>
internal unsafe interface ISimd<TVector, T>
    where TVector : struct
    where T : unmanaged
{
    /// <summary>Elements of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>All zeros.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Loads without alignment.</summary>
    static abstract TVector Load(T* source);

    /// <summary>Stores without alignment.</summary>
    static abstract void Store(TVector value, T* destination);

    /// <summary>All elements equal.</summary>
    static abstract TVector Broadcast(T value);

    /// <summary>Element-wise sum.</summary>
    static abstract TVector Add(TVector left, TVector right);

    /// <summary>left·right + sum: fused, rounded once, wherever the processor can (all with AVX2 or on Arm64); elsewhere two roundings.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector sum);
}
