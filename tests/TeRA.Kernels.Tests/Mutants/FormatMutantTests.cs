using NUnit.Framework;
using TeRA.Kernels.Tests.Formats;
using TeRA.Kernels.Tests.Formats.Peft;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>
/// Mistakes planted in adapters' files: each must be refused, or be seen by the comparison that the other tests use, with what PEFT computed, or with
/// the layers that were saved. Without a mistake the same files pass.
/// </summary>
internal sealed class FormatMutantTests
{
    private const string Tera = "TERA", Frozen = "LOTR with frozen sides", Trained = "LOTR with trained sides", Prefix = "base_model.model.";

    private const long Tokens = 9;

    private static readonly string[] Origins =
        [Tera, Frozen, Trained, "lora-square", "vera-square", "vera-mixed-noproj", "randlora-square", "randlora-tall", "randlora-mixed-noproj", "randlora-mixed-sparse", "randlora-sparse-noproj"];

    /// <summary>The mistakes.</summary>
    public static IEnumerable<FileMutant> Mutants =>
    [
        new("A is read column by column", "lora-square", file => file.Change("lora_A.weight", AdapterFile.Transposed)),
        new("B is read column by column", "lora-square", file => file.Change("lora_B.weight", AdapterFile.Transposed)),
        new("A and B are each other's transpose", "lora-square", file => file.Exchange(Prefix + "fc0.lora_A.weight", Prefix + "fc0.lora_B.weight", transposed: true)),
        new("alpha is forgotten", "lora-square", file => file.Set("lora_alpha", "4")),
        new("alpha is not divided by r", "lora-square", file => file.Set("lora_alpha", "32")),
        new("the scale is alpha/√r", "lora-square", file => file.Set("use_rslora", "true")),
        new("numbers are big-endian", "lora-square", file => file.ChangeBytes("lora_A.weight", Reverse)),
        new("numbers pass through bfloat16", "lora-square", file => file.ChangeBytes("lora_B.weight", Truncate)),
        new("rows begin one number late", "lora-square", file => file.Change("lora_B.weight", Late)),
        new("A and B are each other's transpose", "vera-square", file => file.Exchange("base_model.vera_A", "base_model.vera_B", transposed: true)),
        new("B is read column by column", "vera-square", file => file.Change("vera_B", AdapterFile.Transposed)),
        new("b runs backwards", "vera-square", file => file.Change("vera_lambda_b", (values, _) => [.. values.Reverse()])),
        new("the key is another one", "vera-mixed-noproj", file => file.Set("projection_prng_key", "78")),
        new("the vectors of two modules are mixed up", "vera-mixed-noproj", file => file.Exchange(Prefix + "fc0.vera_lambda_d", Prefix + "fc1.vera_lambda_d")),
        new("the pairing is the paper's", "randlora-square", file => file.SetMetadata("tera.randlora_pairing", "paper")),
        new("the pairing is the paper's", "randlora-tall", file => file.SetMetadata("tera.randlora_pairing", "paper")),
        new("λ is read column by column", "randlora-square", file => file.Change("randlora_lambda", AdapterFile.Transposed)),
        new("γ begins with the second base", "randlora-square", file => file.Change("randlora_gamma", (values, shape) => Late(values, (int)shape[1]))),
        new("B's bases and columns are exchanged", "randlora-square", file => file.Change("base_model.randlora_B", InnerTransposed)),
        new("A's columns begin one late", "randlora-tall", file => file.Change("base_model.randlora_A", Late)),
        new("alpha is forgotten", "randlora-tall", file => file.Set("randlora_alpha", "7")),
        new("alpha is not divided by r", "randlora-tall", file => file.Set("randlora_alpha", "98")),
        new("sparse bases are drawn dense", "randlora-sparse-noproj", file => file.Set("sparse", "false")),
        new("sparse bases are drawn very sparse", "randlora-sparse-noproj", file => file.Set("very_sparse", "true")),
        new("the key is another one", "randlora-mixed-noproj", file => file.Set("projection_prng_key", "6")),
        new("one copy of the shared bases differs", "randlora-mixed-sparse", file => file.Change("fc1.randlora_A", Late)),
        new("bases that should be there are drawn silently", "randlora-mixed-noproj", file => file.Set("save_projection", "true")),
        new("the vectors of two modes are exchanged", Tera, file => file.Exchange(Prefix + "a.tera_row.0", Prefix + "a.tera_row.1")),
        new("the vectors of rows and columns are exchanged", Tera, file => file.Exchange(Prefix + "a.tera_row.0", Prefix + "a.tera_col.0")),
        new("the vectors of two modules are mixed up", Tera, file => file.Exchange(Prefix + "a.tera_row.0", Prefix + "b.tera_row.0")),
        new("numbers are big-endian", Tera, file => file.ChangeBytes("tera_col.1", Reverse)),
        new("the scale is forgotten", Tera, file => file.Set("scale", "1.0")),
        new("the upper half of the seed is lost", Tera, file => file.Set("seed", "5")),
        new("the distribution is forgotten", Tera, file => file.Set("distribution", "\"normal\"")),
        new("the modes of rows and columns are exchanged", Tera, file => file.Set("shapes", Shapes("[4, 3]", "[3, 4]"))),
        new("the row modes run backwards", Tera, file => file.Set("shapes", Shapes("[4, 3]", "[4, 3]"))),
        new("another factor format is taken for this one", Tera, file => file.Set("factor_format", "2")),
        new("M is read column by column", Frozen, file => file.Change("lotr_M", AdapterFile.Transposed)),
        new("the scale is divided by r twice", Frozen, file => file.Set("scale", "0.5")),
        new("the second group has the first one's seed", Frozen, file => file.Set("groups", "[[\"a\",\"b\"]]")),
        new("the groups are numbered backwards", Frozen, file => file.Set("groups", "[[\"b\"],[\"a\"]]")),
        new("L and R are each other's transpose", Trained, file => file.Exchange("base_model.lotr.0.L", "base_model.lotr.0.R", transposed: true)),
        new("L is read column by column", Trained, file => file.Change("lotr.0.L", AdapterFile.Transposed)),
        new("the cores of two modules are mixed up", Trained, file => file.Exchange(Prefix + "a.lotr_M", Prefix + "b.lotr_M")),
    ];

    [TestCaseSource(nameof(Mutants))]
    public void Is_caught(FileMutant mutant) => Assert.That(Agrees(mutant.Origin, mutant.Alter), Is.False, $"{mutant} survived");

    [TestCaseSource(nameof(Origins))]
    public void Without_a_mistake_the_same_file_passes(string origin) => Assert.That(Agrees(origin, static _ => { }), Is.True);

    // A file that is refused does not agree.
    private static bool Agrees(string origin, Action<AdapterFile> alter)
    {
        using var folder = new TemporaryFolder();
        bool golden = PeftFixtures.Golden.Contains(origin);
        string right = golden ? PeftFixtures.Folder(origin) : Own(origin, folder["right"]);
        var file = new AdapterFile(right);
        alter(file);
        file.Write(folder["altered"]);
        try
        {
            QuantityError[] errors = golden ? AgainstPeft(right, folder["altered"]) : AgainstLayers(origin, folder["altered"]);
            Assert.That(errors, Is.Not.Empty);
            return errors.All(error => error.Passed);
        }
        catch (FileFormatException)
        {
            return false;
        }
    }

    private static QuantityError[] AgainstPeft(string golden, string folder)
    {
        using Adapter adapter = Adapter.Load(folder);
        using Checkpoint model = Checkpoint.Open(Path.Combine(golden, "base.safetensors"));
        using SafetensorsFile io = SafetensorsFile.Open(Path.Combine(golden, "io.safetensors"));
        using AdapterBinding binding = adapter.Bind(model.Modules());
        return [.. binding.Modules.SelectMany(module => LayerComparer.Compare(
            new LayerTruth(GoldenProblem.Read(model, io, binding, module), exact: false), GoldenProblem.Theirs(io, module, ExecutionPath.Merged)))];
    }

    private static QuantityError[] AgainstLayers(string origin, string folder)
    {
        (string Name, LayerData Data)[] saved = Layers(origin);
        using Adapter adapter = Adapter.Load(folder);
        using AdapterBinding binding = adapter.Bind(saved.ToDictionary(layer => layer.Name, layer => new LayerSize(layer.Data.OutFeatures, layer.Data.InFeatures)));
        return [.. saved.SelectMany(layer =>
        {
            AdapterModule module = binding.Module(layer.Name);
            double[][] trained = [.. Enumerable.Range(0, module.Update.Trained.Length).Select(i => Array.ConvertAll(module.ReadTrained(i), value => (double)value))];
            return LayerComparer.Compare(new LayerTruth(layer.Data, exact: false), DenseReference.Compute(layer.Data with { Update = module.Update, Trained = trained }));
        })];
    }

    /// <summary>An adapter in one of this library's own formats.</summary>
    private static string Own(string origin, string folder)
    {
        IReadOnlyList<IReadOnlyList<string>>? groups = origin == Frozen ? [["a"], ["b"]] : null;
        AdapterWriter.Save(
            folder,
            Layers(origin).Select(layer => new TrainedModule(layer.Name, layer.Data.Update!, [.. layer.Data.Trained.Select(values => Array.ConvertAll(values, value => (float)value))])),
            new AdapterSaveOptions { Groups = groups });
        return folder;
    }

    private static (string Name, LayerData Data)[] Layers(string origin)
    {
        (string, LayerData) Layer(string name, WeightUpdate update, ulong seed) => (name, LayerData.Normal(update, Tokens, DType.Float32, bias: true, seed));
        if (origin != Trained)
        {
            WeightUpdate Update(ulong group) => origin == Tera
                ? new TeraUpdate([3, 4], [3, 3], [4, 3], [3, 3], 0x1_0000_0005, Distribution.Uniform, 2.5)
                : new LotrUpdate(12, 12, 4, LotrSides.Frozen, 3 + group, scale: 2);
            return [Layer("a", Update(0), 1), Layer("b", Update(1), 2)];
        }

        (string Name, LayerData Data)[] layers = [Layer("a", new LotrUpdate(12, 12, 4, LotrSides.Trained, 3, scale: 2), 1), Layer("b", new LotrUpdate(12, 12, 4, LotrSides.Trained, 3, scale: 2), 2)];
        double[][] first = layers[0].Data.Trained;
        layers[1].Data = layers[1].Data with { Trained = [layers[1].Data.Trained[0], first[1], first[2]] };
        return layers;
    }

    private static string Shapes(string rows, string columns) =>
        $$"""{ "12x12": { "row_modes": {{rows}}, "row_ranks": [3, 3], "col_modes": {{columns}}, "col_ranks": [3, 3] } }""";

    private static void Reverse(byte[] bytes)
    {
        for (int i = 0; i < bytes.Length; i += sizeof(float))
        {
            bytes.AsSpan(i, sizeof(float)).Reverse();
        }
    }

    private static void Truncate(byte[] bytes)
    {
        for (int i = 0; i < bytes.Length; i += sizeof(float))
        {
            bytes.AsSpan(i, sizeof(float) / 2).Clear();
        }
    }

    private static float[] Late(float[] values, long[] shape) => Late(values, 1);

    private static float[] Late(float[] values, int by) => [.. values[by..], .. values[..by]];

    // [M, n, r] written as [M, r, n].
    private static float[] InnerTransposed(float[] values, long[] shape)
    {
        int inner = (int)(shape[1] * shape[2]);
        return [.. Enumerable.Range(0, (int)shape[0]).SelectMany(row => AdapterFile.Transposed(values[(row * inner)..((row + 1) * inner)], [shape[1], shape[2]]))];
    }
}
