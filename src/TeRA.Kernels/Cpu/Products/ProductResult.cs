using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Products;

/// <summary>How finished sums become C: factor, addend and bias in this order, then the only rounding to C's dtype.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class ProductResult<T>(Operand c, long columns, double alpha, Operand? addTo, Operand? bias)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly T factor = T.CreateTruncating(alpha);
    private nint address;
    private nint addendAddress;
    private nint biasAddress;

    /// <summary>Takes this run's addresses.</summary>
    public void Bind(ReadOnlySpan<nint> addresses)
    {
        address = addresses[c.Slot];
        addendAddress = addTo is { } addend ? addresses[addend.Slot] : 0;
        biasAddress = bias is { } present ? addresses[present.Slot] : 0;
    }

    /// <summary>Finishes a piece of one row; <paramref name="sums"/> is used up, <paramref name="buffer"/> has its length.</summary>
    public void Finish(T* sums, long row, long column, int count, T* buffer)
    {
        long first = (row * columns) + column;
        if (factor != T.One)
        {
            Vectors.Scale(sums, factor, count);
        }

        if (addTo is { } addend)
        {
            Vectors.Add(Storage.Read(addendAddress, addend.DType, first, count, buffer), sums, count);
        }

        if (bias is { } present)
        {
            Vectors.Add(Storage.Read(biasAddress, present.DType, column, count, buffer), sums, count);
        }

        Storage.Write(sums, address, c.DType, first, count);
    }
}
