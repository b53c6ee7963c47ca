using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>What becomes of a product's sums: the layout of <c>tera::gemm::Output</c> in kernels/gemm/output.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ProductOutputArguments
{
    /// <summary>Address of C, M×N.</summary>
    public nint C;

    /// <summary>Address of N elements in the operands' dtype, or 0.</summary>
    public nint Bias;

    /// <summary>Address of M×N elements of C's dtype that are added, or 0; may be C's.</summary>
    public nint AddTo;

    /// <summary>Address of <see cref="Parts"/> layers of M×N float32, or 0 where a block has the whole sum.</summary>
    public nint Partial;

    /// <summary>Rows of C.</summary>
    public long M;

    /// <summary>Columns of C.</summary>
    public long N;

    /// <summary>Factor of the sum.</summary>
    public float Alpha;

    /// <summary>1 where C is float32 whatever the operands are.</summary>
    public int Single;

    /// <summary>Layers of <see cref="Partial"/>.</summary>
    public int Parts;
}
