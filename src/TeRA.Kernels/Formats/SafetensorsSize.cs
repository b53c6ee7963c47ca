namespace TeRA.Kernels.Formats;

/// <summary>Bytes of a tensor in a file, with checked arithmetic.</summary>
internal static class SafetensorsSize
{
    /// <summary>Computes the bytes; otherwise says which rule the tensor breaks, and how.</summary>
    public static (string Rule, string Message)? TryBytes(SafetensorsDType dtype, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        if (!TryProduct(shape, dtype.Bits(), out long bits))
        {
            return (FileRule.SizeOverflow, $"{dtype.Label()}{Quote.Shape(shape)} has more than 2^63-1 bits; no file holds it.");
        }

        if (bits % 8 != 0)
        {
            return (FileRule.PartialByte, $"{dtype.Label()}{Quote.Shape(shape)} takes {bits} bits; elements below a byte must fill whole bytes.");
        }

        bytes = bits / 8;
        return null;
    }

    /// <summary>The product; an overflow among the lengths counts even beside a zero, whatever their order.</summary>
    private static bool TryProduct(ReadOnlySpan<long> shape, long start, out long product)
    {
        product = start;
        bool empty = false;
        foreach (long length in shape)
        {
            empty |= length == 0;
            if (length > long.MaxValue / product)
            {
                return false;
            }

            product *= Math.Max(length, 1);
        }

        product = empty ? 0 : product;
        return true;
    }
}
