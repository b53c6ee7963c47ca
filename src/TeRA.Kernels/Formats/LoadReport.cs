using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>What came of an adapter's load: what fits, and what doesn't and why. Strict callers never see one with problems.</summary>
/// <param name="Path">The adapter.</param>
/// <param name="Matched">Modules that are whole and fit, by name.</param>
/// <param name="Missing">What the adapter needs and nobody has: tensors of its file, modules of the base, or a module for a target pattern.</param>
/// <param name="Unexpected">Tensors of the file that no target module explains.</param>
/// <param name="WrongShape">Tensors of a wrong shape, and modules of a size that the adapter has no shape for.</param>
public sealed record LoadReport(
    string Path,
    ImmutableArray<string> Matched,
    ImmutableArray<LoadProblem> Missing,
    ImmutableArray<LoadProblem> Unexpected,
    ImmutableArray<LoadProblem> WrongShape)
{
    /// <summary>All problems: missing, wrong shape, unexpected.</summary>
    public IEnumerable<LoadProblem> Problems => [.. Missing, .. WrongShape, .. Unexpected];

    /// <summary>Whether everything fits.</summary>
    public bool IsComplete => !Problems.Any();

    internal static LoadReport From(string path, IEnumerable<string> matched, IEnumerable<LoadProblem> problems)
    {
        ILookup<string, LoadProblem> kinds = problems.ToLookup(problem => problem.Rule switch
        {
            FileRule.MissingTensor or FileRule.MissingModule or FileRule.UnmatchedTarget => nameof(Missing),
            FileRule.UnknownTensor => nameof(Unexpected),
            _ => nameof(WrongShape),
        });
        return new LoadReport(path, [.. matched], [.. kinds[nameof(Missing)]], [.. kinds[nameof(Unexpected)]], [.. kinds[nameof(WrongShape)]]);
    }

    /// <summary>Throws the first problem, with the number of others.</summary>
    internal void ThrowUnlessComplete()
    {
        LoadProblem? first = Problems.FirstOrDefault();
        if (first is not null)
        {
            int others = Problems.Count() - 1;
            throw new FileFormatException(Path, first.Rule, first.Message + (others == 0 ? string.Empty : $" ({others} more problem{(others == 1 ? string.Empty : "s")} of this adapter.)"));
        }
    }
}
