using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>Sorts the tensors of a file into modules and checks that each module is whole.</summary>
internal static class TeraAdapterReader
{
    public static TeraAdapter Read(string folder, TeraConfig config, SafetensorsFile file)
    {
        var problems = new List<LoadProblem>();
        Dictionary<string, VectorShapes> found = Group(config, file, problems);
        var modules = ImmutableDictionary.CreateBuilder<string, TeraVectors>(StringComparer.Ordinal);
        foreach (string module in config.TargetModules)
        {
            LoadProblem[] wrong = Check(module, config, found.GetValueOrDefault(module) ?? new VectorShapes());
            problems.AddRange(wrong);
            if (wrong.Length == 0)
            {
                modules.Add(module, ReadVectors(module, found[module], file));
            }
        }

        return new TeraAdapter(folder, config, modules.ToImmutable(), [.. problems]);
    }

    private static Dictionary<string, VectorShapes> Group(TeraConfig config, SafetensorsFile file, List<LoadProblem> problems)
    {
        var targets = config.TargetModules.ToHashSet(StringComparer.Ordinal);
        var found = new Dictionary<string, VectorShapes>(StringComparer.Ordinal);
        foreach (SafetensorsEntry entry in file.Tensors.Values.OrderBy(entry => entry.Name, CodePointOrder.Instance))
        {
            if (!TeraTensorName.TryParse(entry.Name, out TeraTensorName name) || !targets.Contains(name.Module))
            {
                problems.Add(new LoadProblem(FileRule.UnknownTensor, entry.Name, $"expected tensors called {AdapterFolder.ModelPrefix}<module>.tera_row.<n> and .tera_col.<m> for modules of target_modules, found {Quote.Text(entry.Name)}."));
                continue;
            }

            if (entry.DType != SafetensorsDType.F32)
            {
                throw new FileFormatException(file.Path, FileRule.WrongDType, $"the tensor {Quote.Text(entry.Name)} must be F32, found {entry.DType.Label()}; trained vectors are kept in float32.");
            }

            if (!found.TryGetValue(name.Module, out VectorShapes? shapes))
            {
                found.Add(name.Module, shapes = new VectorShapes());
            }

            (name.Side == TeraTensorName.Row ? shapes.Rows : shapes.Columns).Add(name.Mode, entry.Shape);
        }

        return found;
    }

    /// <summary>
    /// The base weight decides which shape a module has, so here it must only fit one of them. If it fits none, the shape
    /// with the fewest differences is the one to speak of.
    /// </summary>
    private static LoadProblem[] Check(string module, TeraConfig config, VectorShapes found)
    {
        LoadProblem[]? fewest = null;
        foreach ((LayerSize size, TeraUpdate update) in config.Shapes.OrderBy(pair => pair.Key.ToString(), StringComparer.Ordinal))
        {
            LoadProblem[] wrong = [.. TeraFit.Compare(module, size, update, found)];
            if (fewest is null || wrong.Length < fewest.Length)
            {
                fewest = wrong;
            }
        }

        return fewest ?? [new LoadProblem(FileRule.MissingShape, module, $"the key \"shapes\" has no entries, but target_modules names {Quote.Text(module)}.")];
    }

    private static TeraVectors ReadVectors(string module, VectorShapes found, SafetensorsFile file) => new(
        ReadSide(TeraTensorName.Prefix(module, TeraTensorName.Row), found.Rows.Count, file),
        ReadSide(TeraTensorName.Prefix(module, TeraTensorName.Column), found.Columns.Count, file));

    private static ImmutableArray<ImmutableArray<float>> ReadSide(string prefix, int count, SafetensorsFile file) =>
        [.. Enumerable.Range(0, count).Select(mode => ImmutableArray.Create(file.ReadSingles(prefix + mode)))];
}
