using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Compares a module's vectors with what an update trains.</summary>
internal static class TeraFit
{
    /// <summary>The lengths of vectors that are whole.</summary>
    public static VectorShapes Lengths(this TeraVectors vectors) => new(Lengths(vectors.Rows), Lengths(vectors.Columns));

    /// <summary>Every difference: missing, misshapen and unknown vectors, rows first.</summary>
    public static IEnumerable<LoadProblem> Compare(string module, LayerSize size, TeraUpdate update, VectorShapes found) =>
    [
        .. CompareSide(TeraTensorName.Prefix(module, TeraTensorName.Row), size, "row_ranks", update.RowRanks, found.Rows),
        .. CompareSide(TeraTensorName.Prefix(module, TeraTensorName.Column), size, "col_ranks", update.ColumnRanks, found.Columns),
    ];

    private static IEnumerable<LoadProblem> CompareSide(string prefix, LayerSize size, string key, ImmutableArray<long> ranks, SortedDictionary<int, ImmutableArray<long>> found)
    {
        for (int mode = 0; mode < ranks.Length; mode++)
        {
            string name = prefix + mode;
            string expected = $"expected the tensor {Quote.Text(name)} of shape [{ranks[mode]}] for {key} {Quote.Shape(ranks.AsSpan())} of shapes[\"{size}\"], found ";
            if (!found.TryGetValue(mode, out ImmutableArray<long> shape))
            {
                yield return new LoadProblem(FileRule.MissingTensor, name, expected + "none.");
            }
            else if (!shape.AsSpan().SequenceEqual([ranks[mode]]))
            {
                yield return new LoadProblem(FileRule.ShapeMismatch, name, $"{expected}shape {Quote.Shape(shape.AsSpan())}.");
            }
        }

        foreach (int mode in found.Keys.Where(mode => mode >= ranks.Length))
        {
            yield return new LoadProblem(FileRule.UnknownTensor, prefix + mode, $"expected {ranks.Length} vectors for {key} of shapes[\"{size}\"], found also the tensor {Quote.Text(prefix + mode)}.");
        }
    }

    private static SortedDictionary<int, ImmutableArray<long>> Lengths(ImmutableArray<ImmutableArray<float>> vectors) =>
        new(vectors.Select((vector, mode) => (vector, mode)).ToDictionary(pair => pair.mode, pair => ImmutableArray.Create((long)pair.vector.Length)));
}
