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

/// <summary><c>tera::VectorProduct</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorProduct
{
    public nint Output;
    public nint Full;
    public long Count;
    public long Outputs;
    public uint Vectors;
    public uint First;
}

/// <summary>The table of vectors of <see cref="VectorsArguments"/>.</summary>
[InlineArray(VectorsArguments.MaxVectors)]
internal struct VectorEntries
{
    private VectorEntry first;
}

/// <summary>The table of products of <see cref="VectorsArguments"/>.</summary>
[InlineArray(VectorsArguments.MaxProducts)]
internal struct VectorProducts
{
    private VectorProduct first;
}

/// <summary>The argument of the kernels in kernels/elementwise/vectors.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorsArguments
{
    /// <summary>Most vectors of all products together: the length of the kernel's table.</summary>
    public const int MaxVectors = 64;

    /// <summary>Most products of a launch.</summary>
    public const int MaxProducts = 8;

    public VectorProducts Products;
    public VectorEntries Entries;

    /// <summary>Everything but the addresses.</summary>
    /// <exception cref="NotSupportedException">There are more vectors or products than the tables hold.</exception>
    public static VectorsArguments Create(ReadOnlySpan<ImmutableArray<VectorOperand>> products)
    {
        int vectors = 0;
        foreach (ImmutableArray<VectorOperand> product in products)
        {
            vectors += product.Length;
        }

        if (vectors > MaxVectors || products.Length > MaxProducts)
        {
            throw new NotSupportedException(
                $"{products.Length} outer products of {vectors} vectors: a launch of the CUDA kernels takes at most {MaxProducts} of {MaxVectors}. Merge modes of length 1.");
        }

        var arguments = default(VectorsArguments);
        uint first = 0;
        for (int i = 0; i < products.Length; i++)
        {
            arguments.Add(i, products[i], first);
            first += (uint)products[i].Length;
        }

        return arguments;
    }

    /// <summary>Sets the addresses of a product's vectors.</summary>
    public void Bind(int product, ImmutableArray<VectorOperand> vectors, ReadOnlySpan<nint> addresses)
    {
        int first = (int)Products[product].First;
        for (int i = 0; i < vectors.Length; i++)
        {
            Entries[first + i].Values = addresses[vectors[i].Operand.Slot];
        }
    }

    private void Add(int index, ImmutableArray<VectorOperand> vectors, uint first)
    {
        ref VectorProduct product = ref Products[index];
        (product.Vectors, product.First, product.Count) = ((uint)vectors.Length, first, 1);
        for (int i = vectors.Length - 1; i >= 0; i--)
        {
            ref VectorEntry entry = ref Entries[(int)first + i];
            entry.Length = vectors[i].Length;
            entry.Trailing = product.Count;
            product.Count = checked(product.Count * vectors[i].Length);
            product.Outputs += vectors[i].Length;
        }
    }
}
