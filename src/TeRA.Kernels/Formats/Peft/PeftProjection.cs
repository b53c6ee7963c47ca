using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Where the frozen bases come from: the file, or, only if the configuration says that they weren't saved, the generator.</summary>
internal abstract class PeftProjection(AdapterConfig config)
{
    private const string SaveKey = "save_projection";

    /// <summary>The parameters A and B.</summary>
    public abstract ImmutableArray<string> Names { get; }

    /// <summary>How the bases are drawn, in words.</summary>
    protected abstract string Drawing { get; }

    /// <summary>What a user should know of it.</summary>
    public string? Note => IsSaved ? null : $"the frozen bases are not in the file; they are drawn again from projection_prng_key {Key}, {Drawing}";

    protected AdapterConfig Config { get; } = config;

    private bool IsSaved { get; } = config.Flag(SaveKey, otherwise: true);

    /// <summary>PyTorch seeds its CPU generator with the low 32 bits.</summary>
    protected uint Seed => (uint)Key;

    private long Key { get; } = ReadKey(config);

    /// <summary>Checks that the bases are there if they should be, and that all copies are equal.</summary>
    public void Check(SafetensorsFile file, PeftContent content)
    {
        foreach (string name in Names)
        {
            bool found = content.Projections.TryGetValue(name, out List<SafetensorsEntry>? copies);
            if (!found && (IsSaved || content.Projections.Count > 0))
            {
                throw new FileFormatException(file.Path, FileRule.MissingBases, $"the configuration says that the frozen bases were saved, but the file has no {Quote.Text(PeftName.Shared(name))}. They are not drawn again silently: set \"{SaveKey}\": false if they may be drawn from projection_prng_key.");
            }

            foreach (SafetensorsEntry copy in found ? copies!.Skip(1) : [])
            {
                CheckEqual(file, copies![0], copy);
            }
        }
    }

    /// <summary>The bases.</summary>
    /// <param name="file">The adapter's file.</param>
    /// <param name="content">What it holds.</param>
    /// <param name="largest">The largest output and input feature counts of all modules.</param>
    public Projection Resolve(SafetensorsFile file, PeftContent content, LayerSize largest)
    {
        if (content.Projections.Count == 0)
        {
            return Generate(largest);
        }

        (ImmutableArray<long> a, ImmutableArray<long> b) = Shapes(largest);
        return new Projection(Read(file, content, Names[0], a, rankAxis: 0), Read(file, content, Names[1], b, rankAxis: b.Length - 1));
    }

    /// <summary>The shapes of A and B that these sizes need.</summary>
    protected abstract (ImmutableArray<long> A, ImmutableArray<long> B) Shapes(LayerSize largest);

    /// <summary>Draws the bases as PEFT does.</summary>
    protected abstract Projection Generate(LayerSize largest);

    /// <summary>Reads a base, whose rank must be the adapter's and whose other lengths may be larger than needed.</summary>
    private static HostTensor Read(SafetensorsFile file, PeftContent content, string name, ImmutableArray<long> needed, int rankAxis)
    {
        SafetensorsEntry entry = content.Projections[name][0];
        bool fits = entry.Shape.Length == needed.Length && entry.Shape[rankAxis] == needed[rankAxis]
            && entry.Shape.Zip(needed).All(pair => pair.First >= pair.Second && (pair.Second != 1 || pair.First == 1));
        return fits
            ? new HostTensor(entry.Shape, file.ReadSingles(entry.Name))
            : throw new FileFormatException(file.Path, FileRule.ShapeMismatch, $"the frozen base {Quote.Text(entry.Name)} must be at least {Quote.Shape(needed.AsSpan())} for the largest module, with the same rank; found {Quote.Shape(entry.Shape.AsSpan())}.");
    }

    private static void CheckEqual(SafetensorsFile file, SafetensorsEntry first, SafetensorsEntry copy)
    {
        if (!first.Shape.SequenceEqual(copy.Shape) || first.DType != copy.DType || !file.HasSameBytes(first.Name, copy.Name))
        {
            throw new FileFormatException(file.Path, FileRule.DifferentCopies, $"all modules share the frozen bases, but {Quote.Text(first.Name)} and {Quote.Text(copy.Name)} differ. The file mixes adapters or is damaged.");
        }
    }

    private static long ReadKey(AdapterConfig config)
    {
        const string Name = "projection_prng_key";
        if (!config.TryGet(Name, out System.Text.Json.JsonElement value))
        {
            return 0;
        }

        if (value.ValueKind == System.Text.Json.JsonValueKind.Number && value.TryGetInt64(out long key))
        {
            return key;
        }

        return value.ValueKind == System.Text.Json.JsonValueKind.Number && value.TryGetUInt64(out ulong large)
            ? unchecked((long)large)
            : throw config.Wrong(Name, "an integer of 64 bits", value);
    }
}
