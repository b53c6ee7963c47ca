using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Makes an adapter of trained modules, checking that one file can hold them.</summary>
internal static class TeraAdapterBuilder
{
    public static TeraAdapter Build(IEnumerable<(string Module, TeraUpdate Update, TeraVectors Vectors)> modules, string? baseModel, AdapterConfig document)
    {
        ArgumentNullException.ThrowIfNull(modules);
        (string Module, TeraUpdate Update, TeraVectors Vectors)[] all = [.. modules];
        if (all.Length == 0)
        {
            throw new ArgumentException("Expected at least one module, found none.", nameof(modules));
        }

        TeraUpdate first = all[0].Update;
        var shapes = ImmutableDictionary.CreateBuilder<LayerSize, TeraUpdate>();
        var vectors = ImmutableDictionary.CreateBuilder<string, TeraVectors>(StringComparer.Ordinal);
        foreach ((string module, TeraUpdate update, TeraVectors own) in all)
        {
            CheckShared(module, update, first);
            AddShape(shapes, module, update);
            if (!own.Fits(update))
            {
                throw new ArgumentException($"The vectors of module {Quote.Text(module)} don't have the lengths of its update: rows {string.Join(", ", update.RowRanks)}, columns {string.Join(", ", update.ColumnRanks)}.", nameof(modules));
            }

            if (!vectors.TryAdd(module, own))
            {
                throw new ArgumentException($"Expected different modules, found {Quote.Text(module)} twice.", nameof(modules));
            }
        }

        var config = new TeraConfig(first.Source, first.Scale, [.. all.Select(one => one.Module)], shapes.ToImmutable(), baseModel, document);
        return new TeraAdapter("the adapter", config, vectors.ToImmutable(), []);
    }

    private static void CheckShared(string module, TeraUpdate update, TeraUpdate first)
    {
        if (update.Source != first.Source || update.Scale != first.Scale)
        {
            throw new ArgumentException($"One adapter has one seed, distribution and scale: expected {first.Source.Seed}, {first.Source.Distribution}, {first.Scale}, found {update.Source.Seed}, {update.Source.Distribution}, {update.Scale} for module {Quote.Text(module)}.", nameof(update));
        }
    }

    private static void AddShape(ImmutableDictionary<LayerSize, TeraUpdate>.Builder shapes, string module, TeraUpdate update)
    {
        var size = new LayerSize(update.OutFeatures, update.InFeatures);
        if (!shapes.TryGetValue(size, out TeraUpdate? known))
        {
            shapes.Add(size, update);
            return;
        }

        bool same = known.RowModes.SequenceEqual(update.RowModes) && known.RowRanks.SequenceEqual(update.RowRanks)
            && known.ColumnModes.SequenceEqual(update.ColumnModes) && known.ColumnRanks.SequenceEqual(update.ColumnRanks);
        if (!same)
        {
            throw new ArgumentException($"One adapter has one set of modes and ranks for each size: module {Quote.Text(module)} differs from another of {size}.", nameof(update));
        }
    }
}
