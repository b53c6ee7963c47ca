using System.Runtime.InteropServices;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// Memory on any device between two guard bands of 256 bytes. Bands and contents start as 0xFF bytes, a NaN in every
/// floating-point dtype, so that reading what was never written shows as NaN and writing outside shows in the bands.
/// </summary>
internal sealed class GuardedBuffer : IDisposable
{
    /// <summary>Bytes of each guard band.</summary>
    public const int BandBytes = 256;

    private const byte Pattern = 0xFF;
    private readonly Device device;
    private readonly SafeHandle memory;
    private readonly string name;
    private byte[]? frozen;

    /// <summary>Allocates <paramref name="bytes"/> between two bands.</summary>
    /// <param name="device">Where.</param>
    /// <param name="name">For messages.</param>
    /// <param name="bytes">Usable bytes.</param>
    /// <param name="misalignment">Bytes by which the address misses the alignment of 256: vectorised kernels must cope or refuse.</param>
    public GuardedBuffer(Device device, string name, long bytes, int misalignment = 0)
    {
        this.device = device;
        this.name = name;
        ByteCount = bytes;
        AllBytes = bytes + (2 * BandBytes) + misalignment;
        memory = device.AllocateMemory(AllBytes);
        Start = memory.DangerousGetHandle();
        Address = Start + BandBytes + misalignment;
        device.Fill(Start, Pattern, AllBytes, default);
    }

    /// <summary>First usable byte.</summary>
    public nint Address { get; }

    /// <summary>Usable bytes.</summary>
    public long ByteCount { get; }

    /// <summary>Whether <see cref="Freeze"/> was called.</summary>
    public bool IsFrozen => frozen is not null;

    private nint Start { get; }

    private long AllBytes { get; }

    /// <summary>Sets the contents.</summary>
    public void Write(ReadOnlySpan<byte> contents)
    {
        Assert.That(contents.Length, Is.EqualTo(ByteCount), $"contents of {name}");
        device.CopyIn(Address, contents, default);
    }

    /// <summary>From now on the contents must stay as they are.</summary>
    public void Freeze() => frozen = Read();

    /// <summary>The contents.</summary>
    public byte[] Read()
    {
        var contents = new byte[ByteCount];
        device.CopyOut(Address, contents, default);
        return contents;
    }

    /// <summary>What was written outside, or over a frozen content; null when nothing was.</summary>
    public string? Damage()
    {
        var all = new byte[AllBytes];
        device.CopyOut(Start, all, default);
        int before = (int)(Address - Start);
        int first = all.AsSpan(0, before).IndexOfAnyExcept(Pattern);
        if (first >= 0)
        {
            return $"{name}: byte {before - first} before its start was written";
        }

        int after = all.AsSpan(before + (int)ByteCount).IndexOfAnyExcept(Pattern);
        if (after >= 0)
        {
            return $"{name}: byte {after} after its end was written";
        }

        bool changed = frozen is not null && !all.AsSpan(before, (int)ByteCount).SequenceEqual(frozen);
        return changed ? $"{name}: an input was changed" : null;
    }

    /// <inheritdoc/>
    public void Dispose() => memory.Dispose();
}
