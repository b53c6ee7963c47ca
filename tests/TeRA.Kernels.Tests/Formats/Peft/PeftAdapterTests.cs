using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Reading and writing PEFT's folders: what is matched, what is missing, what is refused and how it is named.</summary>
[TestFixture]
internal sealed class PeftAdapterTests
{
    private static string[] Golden => PeftFixtures.Golden;

    [TestCaseSource(nameof(Golden))]
    public void Files_of_PEFT_survive_a_round_trip(string name)
    {
        using var folder = new TemporaryFolder();
        using (Adapter adapter = Adapter.Load(PeftFixtures.Folder(name)))
        {
            adapter.Save(folder["again"]);
        }

        using SafetensorsFile before = SafetensorsFile.Open(Path.Combine(PeftFixtures.Folder(name), "adapter_model.safetensors")), after = SafetensorsFile.Open(folder["again/adapter_model.safetensors"]);
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllBytes(folder["again/adapter_config.json"]), Is.EqualTo(File.ReadAllBytes(Path.Combine(PeftFixtures.Folder(name), "adapter_config.json"))));
            Assert.That(after.Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt" }));
            Assert.That(after.Tensors.Keys, Is.SubsetOf(before.Tensors.Keys));
            Assert.That(before.Tensors.Keys.Except(after.Tensors.Keys), Is.All.Match("fc[0-9].*_[AB]$"), "only the copies of shared bases are gone");
            foreach (string tensor in after.Tensors.Keys)
            {
                Assert.That(after.Bytes(tensor).SequenceEqual(before.Bytes(tensor)), tensor);
            }
        });
        using Adapter again = Adapter.Load(folder["again"]);
        Assert.That(again.Report.IsComplete);
    }

    [Test]
    public void Patterns_change_rank_and_alpha_of_the_modules_they_match()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.LoraTensors();
        tensors["base_model.model.m.v.lora_A.weight"] = PeftFixtures.Random("base_model.model.m.v.lora_A.weight", 3, 5);
        tensors["base_model.model.m.v.lora_B.weight"] = PeftFixtures.Random("base_model.model.m.v.lora_B.weight", 3, 3);
        string config = PeftFixtures.With(PeftFixtures.With(PeftFixtures.Lora, "rank_pattern", """{"v":3}"""), "alpha_pattern", """{".*q":5,"m\\.q":9}""");
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, config, tensors.Values));
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        var q = (LowRankUpdate)binding.Module("m.q").Update;
        var v = (LowRankUpdate)binding.Module("m.v").Update;
        Assert.Multiple(() =>
        {
            Assert.That((q.Rank, q.Alpha), Is.EqualTo((2, 2.5f)));
            Assert.That((v.Rank, v.Alpha), Is.EqualTo((3, 2f)));
        });
    }

    [Test]
    public void Rank_stabilised_scales_divide_by_the_root()
    {
        using var folder = new TemporaryFolder();
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "use_rslora", "true"), PeftFixtures.LoraTensors().Values));
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        Assert.That(binding.Module("m.q").Update.Alpha, Is.EqualTo((float)(6 / Math.Sqrt(2))));
    }

    [TestCase("""["q","v"]""")]
    [TestCase("""["m.q","m.v"]""")]
    [TestCase("\".*\\\\.(q|v)\"")]
    [TestCase("\"m\\\\.[qv]\"")]
    [TestCase("\"all-linear\"")]
    [TestCase("\"ALL-LINEAR\"")]
    [TestCase("\"^(?!.*vision).*(q|v)$\"")]
    public void Targets_are_read_as_PEFT_reads_them(string targets)
    {
        using var folder = new TemporaryFolder();
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "target_modules", targets), PeftFixtures.LoraTensors().Values));
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        Assert.That(binding.Report.Matched, Is.EqualTo(new[] { "m.q", "m.v" }));
    }

    [TestCase("""["q","v","k"]""", FileRule.UnmatchedTarget)]
    [TestCase("""["q"]""", FileRule.UnknownTensor)]
    [TestCase("""["q",".v","v"]""", FileRule.UnmatchedTarget)]
    [TestCase("\"q|v\"", FileRule.UnmatchedTarget)]
    [TestCase("\"(\"", FileRule.KeyValue)]
    [TestCase("""["q","v","o"]""", FileRule.UnmatchedTarget)]
    [TestCase("""[1]""", FileRule.KeyValue)]
    [TestCase("null", FileRule.KeyValue)]
    public void Targets_that_fit_nothing_or_too_little_are_refused(string targets, string rule)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "target_modules", targets), PeftFixtures.LoraTensors().Values);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(rule));
    }

    [Test]
    public void A_slow_expression_does_not_hang_the_reader()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.LoraTensors();
        string module = new('a', 60);
        tensors["x"] = PeftFixtures.Random($"base_model.model.{module}.lora_A.weight", 2, 4);
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "target_modules", "\"(a+)+b|.*\\\\.[qv]\""), tensors.Values);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>());
    }

    [Test]
    public void Layers_and_exclusions_narrow_the_targets()
    {
        AdapterConfig config = FormatFixtures.Config("""
            {"peft_type":"LORA","target_modules":["q","model.layers.9.q"],"exclude_modules":["layers.4.q"],"layers_to_transform":[2,4]}
            """);
        TargetRule rule = TargetRule.Read(config);
        Assert.Multiple(() =>
        {
            Assert.That(rule.Matches("model.layers.2.q"));
            Assert.That(rule.Matches("model.layers.3.q"), Is.False);
            Assert.That(rule.Matches("model.layers.4.q"), Is.False, "excluded");
            Assert.That(rule.Matches("model.layers.9.q"), "a whole name isn't narrowed");
            Assert.That(rule.Matches("q"), "the whole name again");
            Assert.That(rule.Matches("head.q"), Is.False, "no layer");
        });
        TargetRule named = TargetRule.Read(config.WithJson("layers_pattern", "\"blocks\"").Without("exclude_modules"));
        Assert.That(named.Matches("model.blocks.4.q"));
        Assert.That(named.Matches("model.layers.4.q"), Is.False);
        Assert.That(rule.Matches("model.layers.2.experts.7.q"), "the first number is the layer's");
        Assert.That(rule.Matches("model.layers.7.experts.2.q"), Is.False, "an expert's number is none");
    }

    [TestCase("exclude_modules", """["n.k"]""")]
    [TestCase("exclude_modules", "\"n\\\\..*\"")]
    [TestCase("layers_to_transform", "0")]
    public void A_target_whose_modules_are_all_left_out_matches_them_all_the_same(string key, string value)
    {
        using var folder = new TemporaryFolder();
        string config = PeftFixtures.With(PeftFixtures.With(PeftFixtures.Lora, "target_modules", """["m.q","m.v","k"]"""), key, value);
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, config, PeftFixtures.LoraTensors().Values));
        Dictionary<string, LayerSize> model = new(PeftFixtures.Base) { ["n.k"] = new LayerSize(4, 4) };
        using AdapterBinding binding = adapter.Bind(model);
        Assert.That(binding.Report.Matched, Is.EqualTo(new[] { "m.q", "m.v" }));
        model.Remove("n.k");
        Assert.That(() => adapter.Bind(model), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.UnmatchedTarget)
            .And.Message.Contains("\"k\" of target_modules matches no module of the file and none of the base model"));
    }

    [Test]
    public void A_module_that_is_half_there_is_missing()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.LoraTensors();
        tensors.Remove("base_model.model.m.v.lora_B.weight");
        tensors["odd"] = FormatFixtures.Zeros("odd", SafetensorsDType.F32, 1);
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, tensors.Values);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Message.Contains("base_model.model.m.v.lora_B.weight").And.Message.Contains("1 more problem"));
        using Adapter adapter = Adapter.Load(path, new AdapterLoadOptions { Strict = false });
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base, strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(binding.Report.Matched, Is.EqualTo(new[] { "m.q" }));
            Assert.That(binding.Report.Missing.Select(problem => problem.Name), Is.EqualTo(new[] { "base_model.model.m.v.lora_B.weight" }));
            Assert.That(binding.Report.Unexpected.Select(problem => problem.Name), Is.EqualTo(new[] { "odd" }));
            Assert.That(() => binding.Module("m.v"), Throws.ArgumentException);
        });
    }

    [Test]
    public void A_base_that_does_not_fit_is_reported()
    {
        using var folder = new TemporaryFolder();
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values));
        var sizes = new Dictionary<string, LayerSize> { ["m.q"] = new(4, 6), ["other.v"] = new(3, 5) };
        using AdapterBinding binding = adapter.Bind(sizes, strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(binding.Report.Matched, Is.Empty);
            Assert.That(binding.Report.WrongShape.Select(problem => problem.Name), Is.EqualTo(new[] { "base_model.model.m.q.lora_A.weight", "base_model.model.m.q.lora_B.weight" }));
            Assert.That(binding.Report.Missing.Select(problem => (problem.Rule, problem.Name)), Is.EqualTo(new[] { (FileRule.MissingModule, "m.v"), (FileRule.MissingTensor, "other.v") }));
            Assert.That(() => adapter.Bind(sizes), Throws.TypeOf<FileFormatException>());
        });
    }

    [TestCase("modules_to_save", """["head"]""", "modules_to_save")]
    [TestCase("use_dora", "true", "DoRA")]
    [TestCase("lora_bias", "true", "lora_bias")]
    [TestCase("use_qalora", "true", "QALoRA")]
    [TestCase("target_parameters", """["experts.gate"]""", "target_parameters")]
    [TestCase("trainable_token_indices", "[1,2]", "trainable_token_indices")]
    [TestCase("layer_replication", "[[0,2]]", "layer_replication")]
    [TestCase("alora_invocation_tokens", "[5]", "alora")]
    [TestCase("init_lora_weights", "\"pissa_niter_4\"", "path_initial_model_for_weight_conversion")]
    [TestCase("use_bdlora", "true", "BD-LoRA")]
    [TestCase("arrow_config", """{"top_k":2}""", "Arrow")]
    [TestCase("kasa_config", """{"beta":1}""", "KaSA")]
    [TestCase("monteclora_config", """{"samples":2}""", "MonteCLoRA")]
    [TestCase("init_lora_weights", "\"olora\"", "olora")]
    [TestCase("init_lora_weights", "\"corda\"", "corda")]
    [TestCase("init_lora_weights", "\"loftq\"", "loftq")]
    [TestCase("init_lora_weights", "\"lora_ga\"", "lora_ga")]
    public void Other_formulas_are_refused_by_name(string key, string value, string named)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, key, value), PeftFixtures.LoraTensors().Values);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.Unsupported).And.Message.Contains(named));
    }

    [TestCase("base_model.model.e.lora_embedding_A", new long[] { 2, 9 }, "embedding")]
    [TestCase("base_model.model.m.q.lora_magnitude_vector", new long[] { 6 }, "DoRA")]
    [TestCase("base_model.model.c.lora_A.weight", new long[] { 2, 3, 3, 3 }, "convolution")]
    [TestCase("base_model.model.e.token_adapter.trainable_tokens_delta", new long[] { 2, 9 }, "tokens")]
    [TestCase("base_model.randbasis_A", new long[] { 2, 1, 9 }, "fork of PEFT")]
    [TestCase("base_model.model.m.q.randbasis_B", new long[] { 2, 9, 1 }, "fork of PEFT")]
    [TestCase("m.q.basis_a", new long[] { 1, 2, 9 }, "loralib")]
    [TestCase("m.q.basis_b", new long[] { 2, 9, 1 }, "loralib")]
    [TestCase("base_model.model.m.q.lora_B.bias", new long[] { 6 }, "lora_bias")]
    public void Other_tensors_are_refused_by_name(string name, long[] shape, string named)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, [.. PeftFixtures.LoraTensors().Values, PeftFixtures.Random(name, shape)]);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.Unsupported).And.Message.Contains(named));
    }

    [TestCase("gaussian")]
    [TestCase("eva")]
    public void Starts_that_leave_the_base_alone_are_read(string start)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "init_lora_weights", $"\"{start}\""), PeftFixtures.LoraTensors().Values);
        Assert.That(() => Adapter.Load(path).Dispose(), Throws.Nothing);
    }

    [Test]
    public void A_pickle_is_never_read()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], PeftFixtures.Lora);
        File.WriteAllBytes(folder["adapter_model.bin"], [0x80, 2]);
        Assert.That(() => Adapter.Load(folder.Root), Throws.TypeOf<FileFormatException>().With.Message.Contains("pickle"));
    }

    [Test]
    public void An_adapter_of_another_name_is_found_in_its_sub_folder()
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values, "french");
        Assert.That(() => Adapter.Load(folder.Root), Throws.TypeOf<FileFormatException>().With.Message.Contains("found no adapter_config.json; the sub-folder \"french\" would do."));
        Assert.That(() => Adapter.Load(folder["french"]).Dispose(), Throws.Nothing);
    }

    [Test]
    public void Another_method_is_named()
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, """{"peft_type":"IA3"}""", []);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.AdapterType).And.Message.Contains("\"IA3\""));
    }

    [TestCase("vera-square")]
    [TestCase("randlora-mixed")]
    public void Bases_that_should_be_there_and_are_not_are_an_error(string name)
    {
        using var folder = new TemporaryFolder();
        Rewrite(name, folder["adapter"], tensor => !tensor.EndsWith("_A", StringComparison.Ordinal) && !tensor.EndsWith("_B", StringComparison.Ordinal));
        Assert.That(() => Adapter.Load(folder["adapter"]), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.MissingBases).And.Message.Contains("save_projection"));
    }

    [Test]
    public void Half_of_the_bases_is_an_error_even_if_none_were_promised()
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.Vera, [.. PeftFixtures.VeraTensors().Values, PeftFixtures.Random("base_model.vera_A", 3, 5)]);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.MissingBases));
    }

    [Test]
    public void A_layers_copy_serves_where_the_shared_base_is_missing()
    {
        using var folder = new TemporaryFolder();
        Rewrite("randlora-mixed", folder["adapter"], tensor => !tensor.StartsWith("base_model.randlora", StringComparison.Ordinal));
        using Adapter adapter = Adapter.Load(folder["adapter"]);
        adapter.Save(folder["again"]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["again/adapter_model.safetensors"]);
        Assert.That(file.Tensors.Keys.Where(name => name.EndsWith("_A", StringComparison.Ordinal)), Is.EqualTo(new[] { "base_model.randlora_A" }));
    }

    [Test]
    public void Copies_that_differ_are_an_error()
    {
        using var folder = new TemporaryFolder();
        Rewrite("randlora-mixed", folder["adapter"], _ => true, changed: "base_model.model.fc1.randlora_B");
        Assert.That(() => Adapter.Load(folder["adapter"]), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.DifferentCopies).And.Message.Contains("fc1.randlora_B"));
    }

    [TestCase("vera")]
    [TestCase("randlora")]
    public void Bases_too_small_for_the_base_model_are_an_error(string method)
    {
        using var folder = new TemporaryFolder();
        bool vera = method == "vera";
        SafetensorsSource[] bases = vera
            ? [PeftFixtures.Random("base_model.vera_A", 3, 4), PeftFixtures.Random("base_model.vera_B", 6, 3)]
            : [PeftFixtures.Random("base_model.randlora_A", 2, 1, 4), PeftFixtures.Random("base_model.randlora_B", 6, 2, 2)];
        IEnumerable<SafetensorsSource> trained = vera ? PeftFixtures.VeraTensors().Values : PeftFixtures.RandLoraTensors().Values;
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, vera ? PeftFixtures.Vera : PeftFixtures.RandLora, trained.Concat(bases)));
        Assert.That(() => adapter.Bind(PeftFixtures.Base), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.ShapeMismatch).And.Message.Contains($"{method}_A"));
    }

    [Test]
    public void Bases_that_are_drawn_again_are_told()
    {
        using var folder = new TemporaryFolder();
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, PeftFixtures.RandLora, PeftFixtures.RandLoraTensors().Values));
        Assert.That(adapter.Notes.Single(), Does.Contain("projection_prng_key 7").And.Contain("bfloat16"));
        using Adapter saved = Adapter.Load(PeftFixtures.Folder("randlora-mixed"));
        Assert.That(saved.Notes, Is.Empty);
    }

    [Test]
    public void The_papers_pairing_is_taken_only_from_our_own_metadata()
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.RandLora, PeftFixtures.RandLoraTensors().Values);
        Assert.That(Pairing(path), Is.EqualTo(RandLoraPairing.Peft));
        SafetensorsWriter.Write(Path.Combine(path, "adapter_model.safetensors"), PeftFixtures.RandLoraTensors().Values, new Dictionary<string, string> { [RandLoraMethod.PairingKey] = "paper" }, overwrite: true);
        Assert.That(Pairing(path), Is.EqualTo(RandLoraPairing.Paper));
        SafetensorsWriter.Write(Path.Combine(path, "adapter_model.safetensors"), PeftFixtures.RandLoraTensors().Values, new Dictionary<string, string> { [RandLoraMethod.PairingKey] = "magic" }, overwrite: true);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Message.Contains("magic"));
    }

    [TestCase("base_layer.bias")]
    [TestCase("bias")]
    public void Trained_biases_take_the_place_of_the_bases(string parameter)
    {
        using var folder = new TemporaryFolder();
        string name = $"base_model.model.m.q.{parameter}";
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "bias", "\"lora_only\""), [.. PeftFixtures.LoraTensors().Values, PeftFixtures.Random(name, 6)]);
        using Adapter adapter = Adapter.Load(path);
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        using Tensor weight = CpuDevice.Shared.From<float>(new float[24], 6, 4);
        using AdaptedLinear layer = binding.CreateLayer("m.q", CpuDevice.Shared, weight, null);
        Assert.Multiple(() =>
        {
            Assert.That(binding.Module("m.q").BiasName, Is.EqualTo(name));
            Assert.That(binding.Module("m.v").BiasName, Is.Null);
            Assert.That(() => binding.Module("m.v").ReadBias(), Throws.InvalidOperationException);
            Assert.That(layer.Parameters[^1].Name, Is.EqualTo("bias"));
            Assert.That(layer.Parameters[^1].Value.ToArray<float>(), Is.EqualTo(binding.Module("m.q").ReadBias()));
        });
    }

    [TestCase("none", "m.q", false)]
    [TestCase("lora_only", "m.o", false)]
    [TestCase("all", "m.o", true)]
    public void Biases_are_there_only_where_the_configuration_says(string bias, string module, bool legal)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "bias", $"\"{bias}\""), [.. PeftFixtures.LoraTensors().Values, PeftFixtures.Random($"base_model.model.{module}.bias", 4)]);
        if (!legal)
        {
            Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(FileRule.UnknownTensor));
            return;
        }

        using Adapter adapter = Adapter.Load(path);
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        Assert.That(binding.ModulesWithBiasAlone, Is.EqualTo(new[] { module }));
        Assert.That(binding.ReadBiasAlone(module), Has.Length.EqualTo(4));
    }

    [Test]
    public void Sixteen_bit_tensors_are_read()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.LoraTensors();
        tensors["base_model.model.m.q.lora_A.weight"] = SafetensorsSource.From("base_model.model.m.q.lora_A.weight", Enumerable.Range(0, 8).Select(i => (BFloat16)(i / 8f)).ToArray(), 2, 4);
        using Adapter adapter = Adapter.Load(PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, tensors.Values));
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        Assert.That(binding.Module("m.q").ReadTrained(0), Is.EqualTo(Enumerable.Range(0, 8).Select(i => i / 8f)));
    }

    [Test]
    public void A_TeRA_folder_comes_through_the_same_entry()
    {
        using var folder = new TemporaryFolder();
        TeraAdapter written = FormatFixtures.Adapter();
        written.Save(folder.Root);
        using Adapter adapter = Adapter.Load(folder.Root);
        using AdapterBinding binding = adapter.Bind(new Dictionary<string, LayerSize> { ["a.b"] = new(12, 6), ["c"] = new(12, 6) });
        Assert.Multiple(() =>
        {
            Assert.That(adapter.Type, Is.EqualTo("TERA"));
            Assert.That(adapter.TrainedCount, Is.EqualTo(18));
            Assert.That(binding.Module("c").ReadTrained(1), Is.EqualTo(written.Modules["c"].Columns[0]));
            Assert.That(binding.Module("c").TensorNames[0], Is.EqualTo("base_model.model.c.tera_row.0"));
        });
    }

    private static RandLoraPairing Pairing(string path)
    {
        using Adapter adapter = Adapter.Load(path);
        using AdapterBinding binding = adapter.Bind(PeftFixtures.Base);
        return ((RandLoraUpdate)binding.Module("m.q").Update).Pairing;
    }

    /// <summary>A golden folder with some tensors left out, and one with its first byte changed.</summary>
    private static void Rewrite(string golden, string folder, Func<string, bool> keep, string? changed = null)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(PeftFixtures.Folder(golden), "adapter_model.safetensors"));
        SafetensorsSource[] tensors = [.. file.Tensors.Values.Where(entry => keep(entry.Name)).Select(entry => SafetensorsSource.From(
            entry.Name, entry.DType, stream => Write(file, entry, entry.Name == changed, stream), entry.Shape.AsSpan()))];
        FormatFixtures.WriteAdapter(folder, File.ReadAllText(Path.Combine(PeftFixtures.Folder(golden), "adapter_config.json")), tensors);
    }

    private static void Write(SafetensorsFile file, SafetensorsEntry entry, bool change, Stream stream)
    {
        byte[] bytes = file.Bytes(entry.Name).ToArray();
        bytes[0] ^= change ? (byte)1 : (byte)0;
        stream.Write(bytes);
    }
}
