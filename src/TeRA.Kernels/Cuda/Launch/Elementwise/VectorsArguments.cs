using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary><c>tera::VectorEntry</c> of kernels/elementwise/vectors.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorEntry
{
    public nint Values;
    public nint Gradient;
    public long Length;
    public long Trailing;
}

/// <summary>The table of <see cref="VectorsArguments"/>.</summary>
[InlineArray(VectorsArguments.MaxVectors)]
internal struct VectorEntries
{
    private VectorEntry first;
}

/// <summary>The argument of the kernels in kernels/elementwise/vectors.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorsArguments
{
    /// <summary>Most vectors of one product: the length of the kernel's table.</summary>
    public const int MaxVectors = 64;

    public nint Output;
    public nint Full;
    public long Count;
    public long Outputs;
    public uint Vectors;
    public VectorEntries Entries;

    /// <summary>Everything but the addresses.</summary>
    /// <exception cref="NotSupportedException">There are more vectors than the table holds.</exception>
    public static VectorsArguments Create(ImmutableArray<VectorOperand> vectors)
    {
        if (vectors.Length > MaxVectors)
        {
            throw new NotSupportedException($"An outer product of {vectors.Length} vectors: the CUDA kernels take at most {MaxVectors}. Merge modes of length 1.");
        }

        var arguments = new VectorsArguments { Vectors = (uint)vectors.Length };
        long trailing = 1;
        for (int i = vectors.Length - 1; i >= 0; i--)
        {
            arguments.Entries[i].Length = vectors[i].Length;
            arguments.Entries[i].Trailing = trailing;
            trailing = checked(trailing * vectors[i].Length);
            arguments.Outputs += vectors[i].Length;
        }

        arguments.Count = trailing;
        return arguments;
    }

    /// <summary>Sets the vectors' addresses.</summary>
    public void Bind(ImmutableArray<VectorOperand> vectors, ReadOnlySpan<nint> addresses)
    {
        for (int i = 0; i < vectors.Length; i++)
        {
            Entries[i].Values = addresses[vectors[i].Operand.Slot];
        }
    }
}
