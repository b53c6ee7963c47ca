using System.Runtime.InteropServices;

namespace TeRA.Kernels;

/// <summary>Class numbers for softmax cross-entropy: 32-bit signed integers on a device.</summary>
public sealed class Labels : IDisposable
{
    private readonly SafeHandle? memory;
    private readonly nint address;
    private bool disposed;

    /// <summary>Allocates room for <paramref name="count"/> labels, uninitialised.</summary>
    /// <param name="device">Where.</param>
    /// <param name="count">How many, at least 0.</param>
    public Labels(Device device, long count)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Device = device;
        Count = count;
        memory = device.AllocateMemory(checked(count * sizeof(int)));
        address = memory.DangerousGetHandle();
    }

    /// <summary>Allocates and copies, complete on return.</summary>
    /// <param name="device">Where.</param>
    /// <param name="values">One class number for each row.</param>
    public Labels(Device device, ReadOnlySpan<int> values)
        : this(device, values.Length) => CopyFrom(values);

    /// <summary>Labels in memory that somebody else owns and keeps alive.</summary>
    /// <param name="device">Where.</param>
    /// <param name="address">Address of the first label.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentException">The address is 0 though there are labels, or is not aligned to 4 bytes.</exception>
    public Labels(Device device, nint address, long count)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if ((address == 0 && count > 0) || address % sizeof(int) != 0)
        {
            throw new ArgumentException($"0x{address:x} is no address of 32-bit labels.", nameof(address));
        }

        Device = device;
        Count = count;
        this.address = address;
    }

    /// <summary>Where the memory is.</summary>
    public Device Device { get; }

    /// <summary>Number of labels.</summary>
    public long Count { get; }

    /// <summary>The raw address.</summary>
    /// <exception cref="ObjectDisposedException">The labels are disposed.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return address;
        }
    }

    /// <summary>Replaces the labels, complete on return.</summary>
    /// <param name="values">Exactly <see cref="Count"/> numbers.</param>
    /// <param name="stream">The stream that the copy is ordered on.</param>
    /// <exception cref="ArgumentException">The number of labels differs.</exception>
    public void CopyFrom(ReadOnlySpan<int> values, StreamHandle stream = default)
    {
        if (values.Length != Count)
        {
            throw new ArgumentException($"Expected {Count} labels, found {values.Length}.", nameof(values));
        }

        Device.CopyIn(Address, MemoryMarshal.AsBytes(values), stream);
    }

    /// <summary>Releases the memory, unless somebody else owns it.</summary>
    public void Dispose()
    {
        disposed = true;
        memory?.Dispose();
    }
}
