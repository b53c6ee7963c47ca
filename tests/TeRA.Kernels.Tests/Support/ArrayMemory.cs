using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Unrounded numbers behind slots, started from the bytes that a device was given; what the reference computes on.</summary>
/// <param name="contents">The bytes of every slot.</param>
/// <param name="slotOf">The slot whose memory starts at an address, for segment tables.</param>
internal sealed class ArrayMemory(IReadOnlyDictionary<int, byte[]> contents, Func<long, int> slotOf) : INaiveMemory
{
    private readonly Dictionary<int, double[]> written = [];
    private readonly Dictionary<int, byte[]> writtenRaw = [];

    public double[] Read(Operand operand, long count) => written.TryGetValue(operand.Slot, out double[]? values)
        ? [.. values.AsSpan(0, (int)count)]
        : Elements.Decode(contents[operand.Slot].AsSpan(0, (int)count * operand.DType.Size()), operand.DType);

    public void Write(Operand operand, double[] values) => written[operand.Slot] = values;

    public T[] ReadRaw<T>(int slot, long count) where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(writtenRaw.GetValueOrDefault(slot, contents[slot]))[..(int)count].ToArray();

    public void WriteRaw<T>(int slot, T[] values) where T : unmanaged => writtenRaw[slot] = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    public double[] ReadAt(long address, DType dtype, long count) => Read(new Operand(slotOf(address), dtype), count);

    public void WriteAt(long address, DType dtype, double[] values) => Write(new Operand(slotOf(address), dtype), values);
}
