using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// A safetensors file, memory-mapped and validated whole before anything of it can be used. Opening costs the header alone;
/// data is read when it is asked for. Safe for use from several threads. The file must not be shortened while it is open.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly SafeFileHandle handle;
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly SafetensorsHeader header;

    private SafetensorsFile(string path, SafeFileHandle handle)
    {
        Path = path;
        this.handle = handle;

        // The length is taken once, from the handle: a link that moves or a file that grows changes nothing from here on.
        long length = RandomAccess.GetLength(handle);
        if (length < SafetensorsHeader.LengthBytes)
        {
            _ = SafetensorsHeader.Parse(default, length, path);
        }

        map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            int prefix = (int)Math.Min(length, SafetensorsHeader.LengthBytes + FormatLimits.HeaderBytes);
            header = SafetensorsHeader.Parse(Map(0, prefix), length, path);
        }
        catch
        {
            view?.Dispose();
            map.Dispose();
            throw;
        }
    }

    /// <summary>The path as it was given.</summary>
    public string Path { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Tensors => header.Tensors;

    /// <summary>The file's <c>__metadata__</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="FileFormatException">The file breaks a rule of the format (<see cref="FileRule"/>).</exception>
    /// <exception cref="IOException">The file is missing or can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new FileFormatException(path, FileRule.MissingFile, "expected a safetensors file, found a folder; name the file in it.");
        }

        SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            return new SafetensorsFile(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>What the header says of one tensor.</summary>
    /// <exception cref="FileFormatException">There is none of that name.</exception>
    public SafetensorsEntry Entry(string name) => header.Tensors.TryGetValue(name, out SafetensorsEntry? entry)
        ? entry
        : throw new FileFormatException(Path, FileRule.MissingTensor, $"expected a tensor {Quote.Text(name)}, found {header.Tensors.Count} others{Examples()}.");

    /// <summary>A tensor's bytes in place, little-endian and of no particular alignment. Valid until the file is disposed.</summary>
    /// <exception cref="FileFormatException">There is none of that name.</exception>
    /// <exception cref="InvalidOperationException">The tensor has more bytes than a span holds; use <see cref="CopyTo(string, Tensor, StreamHandle)"/>.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        SafetensorsEntry entry = Entry(name);
        ObjectDisposedException.ThrowIf(handle.IsClosed, this);
        return entry.ByteCount <= int.MaxValue
            ? Map(header.DataStart + entry.Offset, (int)entry.ByteCount)
            : throw new InvalidOperationException($"Tensor {Quote.Text(name)} has {entry.ByteCount} bytes, more than a span holds; copy it to a tensor or a stream.");
    }

    /// <summary>Copies a tensor's bytes to a stream, a chunk at a time.</summary>
    /// <exception cref="FileFormatException">There is none of that name.</exception>
    public void CopyTo(string name, Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ForEachChunk(Entry(name), (_, bytes) => destination.Write(bytes));
    }

    /// <summary>Copies a tensor into one of the same dtype and shape, on any device; complete on return.</summary>
    /// <exception cref="FileFormatException">There is none of that name, or its dtype is none of float64, float32, bfloat16 and float16.</exception>
    /// <exception cref="ArgumentException">The destination's dtype or shape differs.</exception>
    public void CopyTo(string name, Tensor destination, StreamHandle stream = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        SafetensorsEntry entry = Entry(name);
        DType dtype = TensorDType(entry);
        if (dtype != destination.DType || !entry.Shape.AsSpan().SequenceEqual(destination.Shape))
        {
            throw new ArgumentException($"Expected a tensor of {dtype.Label()}{Quote.Shape(entry.Shape.AsSpan())} for {Quote.Text(name)}, found {destination.DType.Label()}{Quote.Shape(destination.Shape)}.", nameof(destination));
        }

        nint address = destination.Address;
        ForEachChunk(entry, (offset, bytes) => destination.Device.CopyIn(address + (nint)offset, bytes, stream));
    }

    /// <summary>Reads a tensor onto a device, in the file's dtype.</summary>
    /// <exception cref="FileFormatException">There is none of that name, or its dtype is none of float64, float32, bfloat16 and float16.</exception>
    /// <exception cref="ArgumentException">The device doesn't compute with that dtype.</exception>
    public Tensor ToTensor(string name, Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        SafetensorsEntry entry = Entry(name);
        Tensor tensor = device.Allocate(TensorDType(entry), entry.Shape.AsSpan());
        try
        {
            CopyTo(name, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>Reads a tensor as float32: exact from float32, bfloat16 and float16, rounded to nearest from float64.</summary>
    /// <exception cref="FileFormatException">There is none of that name, or its dtype is none of these.</exception>
    /// <exception cref="InvalidOperationException">The tensor has more elements than an array holds.</exception>
    public float[] ReadSingles(string name)
    {
        SafetensorsEntry entry = Entry(name);
        DType dtype = TensorDType(entry);
        if (entry.ElementCount > Array.MaxLength)
        {
            throw new InvalidOperationException($"Tensor {Quote.Text(name)} has {entry.ElementCount} elements, more than an array holds; copy it to a tensor.");
        }

        var values = new float[entry.ElementCount];
        ForEachChunk(entry, (offset, bytes) => Convert(bytes, dtype, values.AsSpan((int)(offset / dtype.Size()))));
        return values;
    }

    /// <summary>Whether two tensors of one size have the same bytes.</summary>
    internal bool HasSameBytes(string first, string second)
    {
        SafetensorsEntry other = Entry(second);
        bool same = Entry(first).ByteCount == other.ByteCount;
        ForEachChunk(Entry(first), (offset, bytes) => same = same && bytes.SequenceEqual(Map(header.DataStart + other.Offset + offset, bytes.Length)));
        return same;
    }

    /// <summary>Unmaps and closes the file. Spans from <see cref="Bytes"/> must not be used afterwards.</summary>
    public void Dispose()
    {
        view.Dispose();
        map.Dispose();
        handle.Dispose();
    }

    private static void Convert(ReadOnlySpan<byte> source, DType dtype, Span<float> destination)
    {
        if (dtype == DType.Float32)
        {
            source.CopyTo(MemoryMarshal.AsBytes(destination));
            return;
        }

        int size = dtype.Size();
        for (int i = 0; i * size < source.Length; i++)
        {
            ReadOnlySpan<byte> element = source.Slice(i * size, size);
            destination[i] = dtype switch
            {
                DType.BFloat16 => new BFloat16(BinaryPrimitives.ReadUInt16LittleEndian(element)),
                DType.Float16 => (float)BinaryPrimitives.ReadHalfLittleEndian(element),
                _ => (float)BinaryPrimitives.ReadDoubleLittleEndian(element),
            };
        }
    }

    private DType TensorDType(SafetensorsEntry entry) => entry.DType.ToTensorDType()
        ?? throw new FileFormatException(Path, FileRule.WrongDType, $"tensor {Quote.Text(entry.Name)} has dtype {entry.DType.Label()}; expected F64, F32, BF16 or F16. Convert it, or use its bytes.");

    /// <summary>Visits the data in pieces that a span holds, keeping the mapping alive against a concurrent Dispose.</summary>
    private void ForEachChunk(SafetensorsEntry entry, ChunkVisitor visit)
    {
        bool held = false;
        try
        {
            view.SafeMemoryMappedViewHandle.DangerousAddRef(ref held);
            for (long offset = 0; offset < entry.ByteCount; offset += FormatLimits.ChunkBytes)
            {
                int length = (int)Math.Min(FormatLimits.ChunkBytes, entry.ByteCount - offset);
                visit(offset, Map(header.DataStart + entry.Offset + offset, length));
            }
        }
        finally
        {
            if (held)
            {
                view.SafeMemoryMappedViewHandle.DangerousRelease();
            }
        }
    }

    private unsafe ReadOnlySpan<byte> Map(long offset, int length) =>
        new((byte*)view.SafeMemoryMappedViewHandle.DangerousGetHandle() + offset, length);

    private string Examples() => header.Tensors.Count == 0
        ? string.Empty
        : ", such as " + string.Join(", ", header.Tensors.Keys.Order(CodePointOrder.Instance).Take(3).Select(Quote.Text));

    private delegate void ChunkVisitor(long offset, ReadOnlySpan<byte> bytes);
}
