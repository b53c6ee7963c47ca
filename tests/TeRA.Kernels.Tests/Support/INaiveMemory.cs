using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Support;

/// <summary>What <see cref="NaiveSteps"/> reads from and writes to: numbers behind slots, whatever holds them.</summary>
internal interface INaiveMemory
{
    /// <summary>The first <paramref name="count"/> elements of an operand.</summary>
    double[] Read(Operand operand, long count);

    /// <summary>Replaces an operand's elements.</summary>
    void Write(Operand operand, double[] values);

    /// <summary>The raw elements of a slot that holds no numbers: labels, segments, settings.</summary>
    T[] ReadRaw<T>(int slot, long count) where T : unmanaged;

    /// <summary>Replaces the raw elements of a slot.</summary>
    void WriteRaw<T>(int slot, T[] values) where T : unmanaged;

    /// <summary>Numbers behind an address that a segment table names.</summary>
    double[] ReadAt(long address, DType dtype, long count);

    /// <summary>Replaces numbers behind an address.</summary>
    void WriteAt(long address, DType dtype, double[] values);
}
