using System.Globalization;
using System.Text.RegularExpressions;

namespace TeRA.Kernels.Formats;

/// <summary>Writes PEFT's folders: shared bases once, at the model's level, with the configuration that PEFT needs to read them.</summary>
internal static class PeftWriter
{
    public static void Lora(string folder, TrainedModule[] modules, AdapterSaveOptions options)
    {
        (long rank, double alpha) usual = Facts(modules[0]);
        AdapterConfig config = Common(LoraMethod.Type, "lora_only", modules, options)
            .With("r", (ulong)usual.rank)
            .WithJson("lora_alpha", Number(usual.alpha))
            .WithJson("lora_dropout", "0.0")
            .WithJson("init_lora_weights", "true")
            .WithJson("use_rslora", "false")
            .WithJson("use_dora", "false")
            .WithJson("rank_pattern", Pattern(modules, module => Facts(module).Rank != usual.rank, module => Number(Facts(module).Rank)))
            .WithJson("alpha_pattern", Pattern(modules, module => Facts(module).Alpha != usual.alpha, module => Number(Facts(module).Alpha)));
        Save(folder, config, modules, null, options);
    }

    public static void Vera(string folder, TrainedModule[] modules, AdapterSaveOptions options)
    {
        PeftBases bases = Bases(options, modules, module => ((VeraUpdate)module.Update).Bases);
        AdapterConfig config = Common(VeraMethod.Type, "vera_only", modules, options)
            .With("r", (ulong)Same(modules, module => ((VeraUpdate)module.Update).Rank, "rank"))
            .WithJson("vera_dropout", "0.0")
            .WithJson("d_initial", JsonText.Number(modules[0].Update.Trained[1].Start.Constant))
            .WithJson("init_weights", "true")
            .With("projection_prng_key", bases.Key)
            .WithJson("save_projection", "true");
        Save(folder, config, modules, (VeraBases.Parameters, bases.Projection), options);
    }

    public static void RandLora(string folder, TrainedModule[] modules, AdapterSaveOptions options)
    {
        PeftBases bases = Bases(options, modules, module => ((RandLoraUpdate)module.Update).Bases);
        long rank = Same(modules, module => ((RandLoraUpdate)module.Update).Rank, "rank");
        float scale = Same(modules, module => module.Update.Alpha, "scale");
        bool paper = Same(modules, module => ((RandLoraUpdate)module.Update).Pairing, "pairing") == RandLoraPairing.Paper;
        AdapterConfig config = Common(RandLoraMethod.Type, "randlora_only", modules, options)
            .With("r", (ulong)rank)
            .WithJson("randlora_alpha", Number(WrittenScale.Of(scale, rank)))
            .WithJson("randlora_dropout", "0.0")
            .WithJson("init_weights", "true")
            .WithJson("sparse", Flag(bases.Kind == BaseKind.Sparse))
            .WithJson("very_sparse", Flag(bases.Kind == BaseKind.VerySparse))
            .With("projection_prng_key", bases.Key)
            .WithJson("save_projection", "true");
        Save(folder, config, modules, (RandLoraBases.Parameters, bases.Projection), options, paper);
    }

    private static AdapterConfig Common(string type, string ownBiases, TrainedModule[] modules, AdapterSaveOptions options) => AdapterConfig.Empty
        .With("peft_type", type)
        .With("base_model_name_or_path", options.BaseModelNameOrPath)
        .With("bias", modules.Any(module => module.Bias is not null) ? ownBiases : "none")
        .With("target_modules", modules.Select(module => module.Name))
        .WithJson("auto_mapping", "null")
        .WithJson("fan_in_fan_out", Flag(options.IsBaseTransposed))
        .WithJson("inference_mode", "true")
        .WithJson("layers_pattern", "null")
        .WithJson("layers_to_transform", "null")
        .WithJson("modules_to_save", "null")
        .WithJson("revision", "null")
        .WithJson("task_type", "null");

    private static void Save(
        string folder, AdapterConfig config, TrainedModule[] modules, (IReadOnlyList<string> Names, Projection Values)? bases, AdapterSaveOptions options, bool paper = false)
    {
        var tensors = new List<SafetensorsSource>();
        foreach (TrainedModule module in modules)
        {
            tensors.AddRange(module.Update.Trained.Zip(module.Values).Select(pair => SafetensorsSource.From(PeftName.Of(module.Name, pair.First.Name), pair.Second, pair.First.Shape.AsSpan())));
            if (module.Bias is { } bias)
            {
                tensors.Add(SafetensorsSource.From(PeftName.Of(module.Name, "base_layer.bias"), bias, bias.Length));
            }
        }

        if (bases is { } shared)
        {
            tensors.AddRange(Shared(shared.Names, shared.Values));
        }

        Dictionary<string, string> metadata = new() { ["format"] = "pt" };
        if (paper)
        {
            metadata[RandLoraMethod.PairingKey] = RandLoraMethod.PaperPairing;
        }

        AdapterFolder.Save(folder, config, tensors, options.Overwrite, metadata);
    }

    /// <summary>The bases under the names of the model's level.</summary>
    public static IEnumerable<SafetensorsSource> Shared(IReadOnlyList<string> names, Projection bases) =>
    [
        SafetensorsSource.From(PeftName.Shared(names[0]), bases.A.Values, bases.A.Shape.AsSpan()),
        SafetensorsSource.From(PeftName.Shared(names[1]), bases.B.Values, bases.B.Shape.AsSpan()),
    ];

    private static PeftBases Bases(AdapterSaveOptions options, TrainedModule[] modules, Func<TrainedModule, FrozenBases> described)
    {
        if (modules.Any(module => described(module).Source is not null))
        {
            throw new NotSupportedException("PEFT has no bases of this library's factor format: they can't go into its files. Train with PeftBases to move adapters to PEFT.");
        }

        PeftBases bases = options.Bases ?? throw new ArgumentException("Expected the frozen bases that the modules were trained with, found none. Pass them in AdapterSaveOptions.Bases.", nameof(options));
        TrainedModule? other = modules.FirstOrDefault(module => !described(module).ShapeA.SequenceEqual(bases.Projection.A.Shape) || !described(module).ShapeB.SequenceEqual(bases.Projection.B.Shape));
        return other is null
            ? bases
            : throw new ArgumentException($"Expected the frozen bases of {Quote.Text(other.Name)}, {Quote.Shape(described(other).ShapeA.AsSpan())} and {Quote.Shape(described(other).ShapeB.AsSpan())}, found {Quote.Shape(bases.Projection.A.Shape.AsSpan())} and {Quote.Shape(bases.Projection.B.Shape.AsSpan())}.", nameof(options));
    }

    private static T Same<T>(TrainedModule[] modules, Func<TrainedModule, T> of, string what)
    {
        T first = of(modules[0]);
        TrainedModule? other = modules.FirstOrDefault(module => !Equals(of(module), first));
        return other is null
            ? first
            : throw new ArgumentException($"One adapter of this method has one {what}: expected {first}, found {of(other)} for {Quote.Text(other.Name)}.", nameof(modules));
    }

    private static (long Rank, double Alpha) Facts(TrainedModule module)
    {
        var update = (LowRankUpdate)module.Update;
        return (update.Rank, WrittenScale.Of(update.Alpha, update.Rank));
    }

    private static string Pattern(TrainedModule[] modules, Func<TrainedModule, bool> differs, Func<TrainedModule, string> value) =>
        $"{{{string.Join(',', modules.Where(differs).Select(module => $"{JsonText.String("^" + Regex.Escape(module.Name))}:{value(module)}"))}}}";

    private static string Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15
        ? value.ToString("F0", CultureInfo.InvariantCulture)
        : JsonText.Number(value);

    private static string Flag(bool value) => value ? "true" : "false";
}
