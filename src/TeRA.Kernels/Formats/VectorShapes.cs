using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>The shapes of a module's vectors in a file, by mode; modes may be missing.</summary>
/// <param name="Rows">Shape of each <c>tera_row</c>.</param>
/// <param name="Columns">Shape of each <c>tera_col</c>.</param>
internal sealed record VectorShapes(SortedDictionary<int, ImmutableArray<long>> Rows, SortedDictionary<int, ImmutableArray<long>> Columns)
{
    public VectorShapes()
        : this([], [])
    {
    }
}
