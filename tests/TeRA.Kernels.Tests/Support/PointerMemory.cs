using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Host memory behind the addresses that a step is run with; numbers are rounded to the operand's dtype when they are stored.</summary>
internal sealed unsafe class PointerMemory(nint[] addresses) : INaiveMemory
{
    public double[] Read(Operand operand, long count) => ReadAt(addresses[operand.Slot], operand.DType, count);

    public void Write(Operand operand, double[] values) => WriteAt(addresses[operand.Slot], operand.DType, values);

    public T[] ReadRaw<T>(int slot, long count) where T : unmanaged => new Span<T>((void*)addresses[slot], (int)count).ToArray();

    public void WriteRaw<T>(int slot, T[] values) where T : unmanaged =>
        values.CopyTo(new Span<T>((void*)addresses[slot], values.Length));

    public double[] ReadAt(long address, DType dtype, long count) =>
        Elements.Decode(new ReadOnlySpan<byte>((void*)address, (int)count * dtype.Size()), dtype);

    public void WriteAt(long address, DType dtype, double[] values) =>
        Elements.Encode(values, dtype).CopyTo(new Span<byte>((void*)address, values.Length * dtype.Size()));
}
