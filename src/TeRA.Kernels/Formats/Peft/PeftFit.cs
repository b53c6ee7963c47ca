using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Compares a module's tensors with what its method and its weight's size demand.</summary>
internal static class PeftFit
{
    public static IEnumerable<LoadProblem> Compare(PeftMethod method, string module, SortedDictionary<string, SafetensorsEntry> tensors, LayerSize? size)
    {
        ImmutableArray<ImmutableArray<long>> shapes = method.Shapes(module, size);
        return shapes.SelectMany((shape, i) => Compare(PeftName.Of(module, method.Parameters[i]), tensors.GetValueOrDefault(method.Parameters[i]), shape, size));
    }

    /// <summary>Compares one tensor, if it is there, with the shape it should have.</summary>
    public static IEnumerable<LoadProblem> Compare(string name, SafetensorsEntry? entry, ImmutableArray<long> shape, LayerSize? size)
    {
        string expected = $"expected the tensor {Quote.Text(name)} of shape {Show(shape)}{(size is { } known ? $" for a weight of {known}" : string.Empty)}, found ";
        if (entry is null)
        {
            yield return new LoadProblem(FileRule.MissingTensor, name, expected + "none.");
        }
        else if (!Fits(entry.Shape, shape))
        {
            yield return new LoadProblem(FileRule.ShapeMismatch, name, $"{expected}shape {Quote.Shape(entry.Shape.AsSpan())}.");
        }
        else if (entry.DType.ToTensorDType() is null)
        {
            yield return new LoadProblem(FileRule.WrongDType, name, $"the tensor {Quote.Text(name)} must be F32, BF16, F16 or F64, found {entry.DType.Label()}.");
        }
    }

    private static bool Fits(ImmutableArray<long> found, ImmutableArray<long> expected) =>
        found.Length == expected.Length && found.Zip(expected).All(pair => pair.First == pair.Second || (pair.Second == PeftMethod.AnyLength && pair.First > 0));

    private static string Show(ImmutableArray<long> shape) => $"[{string.Join(", ", shape.Select(length => length == PeftMethod.AnyLength ? "…" : $"{length}"))}]";
}
