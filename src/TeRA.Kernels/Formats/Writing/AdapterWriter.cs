using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>
/// Saves trained modules as an adapter's folder, in the format of their method: TERA and LOTR in this library's own formats, LORA, VERA and RANDLORA
/// as PEFT lays them out, so that PEFT loads them.
/// </summary>
public static class AdapterWriter
{
    /// <summary>Writes a folder; both files are whole before either takes its place.</summary>
    /// <param name="folder">Where to; it is made if it isn't there.</param>
    /// <param name="modules">The modules, all of one method.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <exception cref="ArgumentException">The modules don't go into one file, or values don't fit their update.</exception>
    /// <exception cref="NotSupportedException">The method, or the way it is used, has no file format.</exception>
    /// <exception cref="IOException">A file exists and may not be replaced, or can't be written.</exception>
    public static void Save(string folder, IEnumerable<TrainedModule> modules, AdapterSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(modules);
        options ??= new AdapterSaveOptions();
        TrainedModule[] all = [.. modules];
        Check(all);
        switch (all[0].Update)
        {
            case TeraUpdate:
                TeraAdapter.Create(all.Select(module => (module.Name, (TeraUpdate)module.Update, TeraVectors.Of((TeraUpdate)module.Update, [.. module.Values]))), options.BaseModelNameOrPath)
                    .Save(folder, options.Overwrite);
                break;
            case LowRankUpdate:
                PeftWriter.Lora(folder, all, options);
                break;
            case VeraUpdate:
                PeftWriter.Vera(folder, all, options);
                break;
            case RandLoraUpdate:
                PeftWriter.RandLora(folder, all, options);
                break;
            case LotrUpdate:
                LotrWriter.Write(folder, all, options);
                break;
            default:
                throw new NotSupportedException($"Updates of method '{all[0].Update.Method}' have no adapter format; a full update belongs into a checkpoint.");
        }
    }

    private static void Check(TrainedModule[] modules)
    {
        if (modules.Length == 0)
        {
            throw new ArgumentException("Expected at least one module, found none.", nameof(modules));
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (TrainedModule module in modules)
        {
            if (module.Update.GetType() != modules[0].Update.GetType())
            {
                throw new ArgumentException($"One folder holds one method: expected '{modules[0].Update.Method}' as for {Quote.Text(modules[0].Name)}, found '{module.Update.Method}' for {Quote.Text(module.Name)}.", nameof(modules));
            }

            if (!names.Add(module.Name))
            {
                throw new ArgumentException($"Expected different modules, found {Quote.Text(module.Name)} twice.", nameof(modules));
            }

            long[] counts = [.. module.Update.Trained.Select(tensor => tensor.Count)];
            if (!counts.SequenceEqual(module.Values.Select(values => (long)values.Length)) || (module.Bias is { } bias && bias.Length != module.Update.OutFeatures))
            {
                throw new ArgumentException($"Expected {string.Join(", ", counts)} values for the tensors of {Quote.Text(module.Name)}, found {string.Join(", ", module.Values.Select(values => values.Length))}.", nameof(modules));
            }
        }
    }
}
