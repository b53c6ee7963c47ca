using System.Collections.Immutable;
using System.Text.Json;

namespace TeRA.Kernels.Formats;

/// <summary>Reads the JSON of a safetensors header in one pass, building nothing that the header's own size doesn't bound.</summary>
internal ref struct SafetensorsHeaderReader
{
    // One more than a header needs: anything deeper is met as a wrong value, and named as such, before this bound is.
    private const int Depth = 4;
    private JsonTokens tokens;

    public SafetensorsHeaderReader(ReadOnlySpan<byte> json, string path)
    {
        // Each tensor's entry has three keys of its own; the bound on tensors is checked as they are added.
        tokens = new JsonTokens(json, path, Depth, 5 * FormatLimits.HeaderKeys);
    }

    public Dictionary<string, SafetensorsEntry> Tensors { get; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, string> Metadata { get; } = new(CodePointOrder.Instance);

    public void Read()
    {
        bool metadataSeen = false;
        tokens.Step();
        for (tokens.Step(); tokens.Kind == JsonTokenType.PropertyName; tokens.Step())
        {
            string name = tokens.Text();
            tokens.Step();
            if (name == SafetensorsWriter.MetadataKey)
            {
                Unique(!metadataSeen, name, "the header");
                metadataSeen = true;
                ReadMetadata();
            }
            else
            {
                ReadTensor(name);
            }
        }

        // The reader itself refuses anything but white space after the last brace.
        tokens.Step();
    }

    private void ReadMetadata()
    {
        if (tokens.Kind != JsonTokenType.StartObject)
        {
            throw tokens.Error(FileRule.Metadata, $"__metadata__ must be an object of strings, found {tokens.Describe()}.");
        }

        for (tokens.Step(); tokens.Kind == JsonTokenType.PropertyName; tokens.Step())
        {
            string key = tokens.Text();
            tokens.Step();
            if (tokens.Kind != JsonTokenType.String)
            {
                throw tokens.Error(FileRule.Metadata, $"__metadata__ must map strings to strings, found {tokens.Describe()} for {Quote.Text(key)}.");
            }

            Unique(Metadata.TryAdd(key, tokens.Text()), key, SafetensorsWriter.MetadataKey);
            Bound(Metadata.Count);
        }
    }

    private void ReadTensor(string name)
    {
        if (tokens.Kind != JsonTokenType.StartObject)
        {
            throw Broken(name, $"must be an object with dtype, shape and data_offsets, found {tokens.Describe()}");
        }

        SafetensorsDType? dtype = null;
        ImmutableArray<long> shape = default;
        (long Begin, long End)? offsets = null;
        for (tokens.Step(); tokens.Kind == JsonTokenType.PropertyName; tokens.Step())
        {
            string key = tokens.Text();
            tokens.Step();
            switch (key)
            {
                case "dtype":
                    Unique(dtype is null, key, Quote.Text(name));
                    dtype = ReadDType(name);
                    break;
                case "shape":
                    Unique(shape.IsDefault, key, Quote.Text(name));
                    shape = ReadShape(name);
                    break;
                case "data_offsets":
                    Unique(offsets is null, key, Quote.Text(name));
                    offsets = ReadOffsets(name);
                    break;
                default:
                    throw Broken(name, $"has the keys dtype, shape and data_offsets, found {Quote.Text(key)}");
            }
        }

        if (dtype is null || shape.IsDefault || offsets is null)
        {
            string missing = dtype is null ? "dtype" : shape.IsDefault ? "shape" : "data_offsets";
            throw Broken(name, $"lacks {missing}");
        }

        Add(name, dtype.Value, shape, offsets.Value);
    }

    private readonly void Add(string name, SafetensorsDType dtype, ImmutableArray<long> shape, (long Begin, long End) offsets)
    {
        (string Rule, string Message)? broken = SafetensorsSize.TryBytes(dtype, shape.AsSpan(), out long bytes);
        if (broken is not null)
        {
            throw tokens.Error(broken.Value.Rule, $"tensor {Quote.Text(name)}: {broken.Value.Message}");
        }

        if (offsets.End - offsets.Begin != bytes)
        {
            throw tokens.Error(FileRule.SizeMismatch, $"tensor {Quote.Text(name)}: {dtype.Label()}{Quote.Shape(shape.AsSpan())} takes {bytes} bytes, but data_offsets [{offsets.Begin}, {offsets.End}] span {offsets.End - offsets.Begin}.");
        }

        Unique(Tensors.TryAdd(name, new SafetensorsEntry(name, dtype, shape, offsets.Begin, bytes)), name, "the header");
        Bound(Tensors.Count);
    }

    private readonly SafetensorsDType ReadDType(string name)
    {
        if (tokens.Kind != JsonTokenType.String)
        {
            throw Broken(name, $"needs a string for dtype, found {tokens.Describe()}");
        }

        return SafetensorsDTypes.TryParse(tokens.Text(), out SafetensorsDType dtype)
            ? dtype
            : throw tokens.Error(FileRule.UnknownDType, $"tensor {Quote.Text(name)} has dtype {Quote.Text(tokens.Text())}; the format has {SafetensorsDTypes.AllLabels}.");
    }

    private ImmutableArray<long> ReadShape(string name)
    {
        if (tokens.Kind != JsonTokenType.StartArray)
        {
            throw tokens.Error(FileRule.TensorShape, $"tensor {Quote.Text(name)}: the shape must be a list of integers, found {tokens.Describe()}.");
        }

        Span<long> lengths = stackalloc long[FormatLimits.Rank];
        int rank = 0;
        for (tokens.Step(); tokens.Kind != JsonTokenType.EndArray; tokens.Step())
        {
            if (rank == lengths.Length)
            {
                throw tokens.Error(FileRule.TensorShape, $"tensor {Quote.Text(name)}: the shape may have at most {FormatLimits.Rank} dimensions, found more.");
            }

            if (!tokens.TryCount(out lengths[rank]))
            {
                throw tokens.Error(FileRule.TensorShape, $"tensor {Quote.Text(name)}: dimension {rank} must be an integer from 0 to 2^63-1, found {tokens.Describe()}.");
            }

            rank++;
        }

        return ImmutableArray.Create(lengths[..rank]);
    }

    private (long Begin, long End) ReadOffsets(string name)
    {
        bool pair = tokens.Kind == JsonTokenType.StartArray;
        long begin = 0;
        long end = 0;
        pair = pair && StepToCount(out begin) && StepToCount(out end);
        if (pair)
        {
            tokens.Step();
            pair = tokens.Kind == JsonTokenType.EndArray;
        }

        if (!pair)
        {
            throw tokens.Error(FileRule.DataOffsets, $"tensor {Quote.Text(name)}: data_offsets must be a list of two integers from 0 to 2^63-1, found {tokens.Describe()}.");
        }

        return begin <= end
            ? (begin, end)
            : throw tokens.Error(FileRule.DataOffsets, $"tensor {Quote.Text(name)}: data_offsets must not fall, found [{begin}, {end}].");
    }

    private bool StepToCount(out long value)
    {
        tokens.Step();
        return tokens.TryCount(out value);
    }

    private readonly void Unique(bool first, string key, string place)
    {
        if (!first)
        {
            throw tokens.Error(FileRule.DuplicateKey, $"the key {Quote.Text(key)} stands twice in {place}; readers would disagree which one counts. Write the file again with a sound writer.");
        }
    }

    private readonly void Bound(int count)
    {
        if (count > FormatLimits.HeaderKeys)
        {
            throw tokens.Error(FileRule.JsonKeys, $"expected at most {FormatLimits.HeaderKeys} tensors or keys of metadata, found more.");
        }
    }

    private readonly FileFormatException Broken(string name, string what) =>
        tokens.Error(FileRule.TensorEntry, $"the entry of tensor {Quote.Text(name)} {what}.");
}
