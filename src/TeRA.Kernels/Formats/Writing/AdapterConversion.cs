using TeRA.Kernels.Formats;

namespace TeRA.Kernels;

/// <summary>Turns adapters of one method into another, where the formula allows it exactly.</summary>
public static class AdapterConversion
{
    /// <summary>The modules as LoRA: exact up to one rounding of each number of B.</summary>
    /// <param name="binding">A bound adapter of LORA, VERA or LOTR.</param>
    /// <exception cref="NotSupportedException">The method's ΔW has no low-rank form; the message says why.</exception>
    public static IReadOnlyList<TrainedModule> ToLora(AdapterBinding binding)
    {
        ArgumentNullException.ThrowIfNull(binding);
        return [.. binding.Modules.Select(module => ToLora(module, binding.Projection))];
    }

    /// <summary>Writes a VERA or RANDLORA adapter with its frozen bases in the file, wherever they come from now.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="binding">The same adapter, bound to its base model.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="overwrite">Whether files that are already there may be replaced.</param>
    /// <exception cref="ArgumentException">The adapter's method has no frozen bases of a file.</exception>
    public static void SaveWithBases(Adapter adapter, AdapterBinding binding, string folder, bool overwrite = false)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(binding);
        if (adapter is not PeftAdapter peft || binding.Projection is not { } bases)
        {
            throw new ArgumentException($"Expected an adapter of VERA or RANDLORA, found {adapter.Type}: it has no frozen bases to save.", nameof(adapter));
        }

        peft.SaveWithBases(folder, bases, overwrite);
    }

    private static TrainedModule ToLora(AdapterModule module, Projection? bases)
    {
        (float[] a, float[] b) = module.Update switch
        {
            LowRankUpdate => (module.ReadTrained(0), module.ReadTrained(1)),
            VeraUpdate vera when bases is not null => Vera(module, vera, bases),
            LotrUpdate lotr => Lotr(module, lotr),
            _ => throw new NotSupportedException(
                $"{module.Name}: an update of '{module.Update.Method}' has rank up to {module.Update.RankBound}, min(N, K) being {Math.Min(module.Update.OutFeatures, module.Update.InFeatures)}: as LoRA it would need as many numbers as the weight itself, or lose some. Merge it into the weights instead."),
        };
        WeightUpdate update = module.Update;
        long rank = update.Core.Rows;
        return new TrainedModule(module.Name, new LowRankUpdate(update.OutFeatures, update.InFeatures, rank, WrittenScale.Of(update.Alpha, rank)), [a, b])
        {
            Bias = module.BiasName is null ? null : module.ReadBias(),
        };
    }

    /// <summary>A' = A, B' = diag(b)·B·diag(d).</summary>
    private static (float[] A, float[] B) Vera(AdapterModule module, VeraUpdate update, Projection bases)
    {
        float[] rows = module.ReadTrained(0), columns = module.ReadTrained(1);
        float[] b = TopLeft(bases.B, update.OutFeatures, update.Rank);
        for (int i = 0; i < b.Length; i++)
        {
            b[i] = (float)((double)rows[i / columns.Length] * b[i] * columns[i % columns.Length]);
        }

        return (TopLeft(bases.A, update.Rank, update.InFeatures), b);
    }

    /// <summary>A' = R, B' = L·M.</summary>
    private static (float[] A, float[] B) Lotr(AdapterModule module, LotrUpdate update)
    {
        bool trained = update.Sides == LotrSides.Trained;
        float[] core = module.ReadTrained(0);
        float[] left = trained ? module.ReadTrained(1) : Draw(update.OutFeatures * update.Rank, update.Source, 0);
        float[] right = trained ? module.ReadTrained(2) : Draw(update.Rank * update.InFeatures, update.Source, 1);
        int rank = (int)update.Rank;
        var b = new float[left.Length];
        for (int i = 0; i < b.Length; i++)
        {
            double sum = 0;
            for (int k = 0; k < rank; k++)
            {
                sum += (double)left[(i / rank * rank) + k] * core[(k * rank) + (i % rank)];
            }

            b[i] = (float)sum;
        }

        return (right, b);
    }

    private static float[] Draw(long count, RandomSource source, uint stream)
    {
        var values = new float[checked((int)count)];
        RandomFactor.Fill(values, source, stream);
        return values;
    }

    private static float[] TopLeft(HostTensor matrix, long rows, long columns)
    {
        var part = new float[checked((int)(rows * columns))];
        for (int row = 0; row < rows; row++)
        {
            matrix.Values.AsSpan((int)(row * matrix.Shape[1]), (int)columns).CopyTo(part.AsSpan((int)(row * columns)));
        }

        return part;
    }
}
