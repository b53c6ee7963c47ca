using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>A diagonal as its vectors: the layout of <c>tera::gemm::Diagonal</c> in kernels/gemm/diagonal.cuh. Without vectors it is ones.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Diagonal
{
    /// <summary>Most vectors that a kernel multiplies itself.</summary>
    public const int MaxVectors = 4;

    public AddressTable Values;
    public nint Output;
    public LengthTable Lengths;
    public uint Vectors;
    public uint Count;

    /// <summary>Whether a kernel multiplies these vectors itself.</summary>
    public static bool Takes(OuterVectorsStep product) => product.Vectors.Length <= MaxVectors;

    /// <summary>The outer product of at most <see cref="MaxVectors"/> vectors, without addresses.</summary>
    public static Diagonal Of(ImmutableArray<VectorOperand> vectors)
    {
        var diagonal = new Diagonal { Vectors = (uint)vectors.Length, Count = 1 };
        for (int i = 0; i < vectors.Length; i++)
        {
            diagonal.Lengths[i] = new WideDivisor(vectors[i].Length);
            diagonal.Count = checked(diagonal.Count * (uint)vectors[i].Length);
        }

        return diagonal;
    }

    /// <summary>Where the vectors are.</summary>
    public void Bind(ImmutableArray<VectorOperand> vectors, ReadOnlySpan<nint> addresses)
    {
        for (int i = 0; i < vectors.Length; i++)
        {
            Values[i] = addresses[vectors[i].Operand.Slot];
        }
    }

    /// <summary>An address for each vector.</summary>
    [InlineArray(MaxVectors)]
    internal struct AddressTable
    {
        private nint first;
    }

    /// <summary>A length for each vector.</summary>
    [InlineArray(MaxVectors)]
    internal struct LengthTable
    {
        private WideDivisor first;
    }
}
