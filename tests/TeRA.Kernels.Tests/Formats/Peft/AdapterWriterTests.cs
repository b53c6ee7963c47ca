using NUnit.Framework;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Adapters that were trained here, saved, read again, and turned into LoRA.</summary>
[TestFixture]
internal sealed class AdapterWriterTests
{
    private static readonly LayerSize Q = PeftFixtures.Base["m.q"], V = PeftFixtures.Base["m.v"];

    [Test]
    public void Lora_of_different_ranks_and_scales_is_read_as_it_was_written()
    {
        using var folder = new TemporaryFolder();
        TrainedModule[] written =
        [
            Module("m.q", new LowRankUpdate(Q.OutFeatures, Q.InFeatures, 2, 5)) with { Bias = [1, 2, 3, 4, 5, 6] },
            Module("m.v", new LowRankUpdate(V.OutFeatures, V.InFeatures, 3, 9, rankStabilized: true)),
        ];
        CheckRoundTrip(folder, written, new AdapterSaveOptions());
        Assert.That(File.ReadAllText(folder["adapter/adapter_config.json"]), Does.Contain("\"bias\": \"lora_only\"").And.Contain("\"^m\\\\.v\": 3").And.Contain("\"lora_alpha\": 5"));
    }

    [Test]
    public void Vera_and_RandLora_are_written_with_bases_that_PEFT_would_draw([Values] BaseKind kind, [Values("vera", "randlora", "paper")] string method)
    {
        using var folder = new TemporaryFolder();
        PeftBases bases = method == "vera" ? PeftBases.DrawVera(5, 3, [Q, V]) : PeftBases.DrawRandLora(5, 2, [Q, V], kind);
        TrainedModule[] written = [.. new[] { ("m.q", Q), ("m.v", V) }.Select(module => Module(module.Item1, Update(method, module.Item2, bases)))];
        CheckRoundTrip(folder, written, new AdapterSaveOptions { Bases = bases });

        // Without the bases in the file they are drawn again, the same ones.
        string configPath = folder["adapter/adapter_config.json"];
        AdapterConfig config = AdapterConfig.Load(configPath).WithJson("save_projection", "false");
        SafetensorsSource[] trained;
        using (SafetensorsFile file = SafetensorsFile.Open(folder["adapter/adapter_model.safetensors"]))
        {
            trained = [.. file.Tensors.Keys.Where(name => name.Contains("lambda", StringComparison.Ordinal) || name.Contains("gamma", StringComparison.Ordinal)).Select(name => SafetensorsSource.From(file, name))];
            FormatFixtures.WriteAdapter(folder["drawn"], System.Text.Encoding.UTF8.GetString(config.ToUtf8()), trained);
        }

        using Adapter drawn = Adapter.Load(folder["drawn"]);
        using AdapterBinding binding = drawn.Bind(Sizes());
        Assert.That(binding.Projection!.A.Values, Is.EqualTo(bases.Projection.A.Values));
        Assert.That(binding.Projection.B.Values, Is.EqualTo(bases.Projection.B.Values));
        AdapterConversion.SaveWithBases(drawn, binding, folder["again"]);
        using Adapter again = Adapter.Load(folder["again"]);
        Assert.That(again.Notes, Is.Empty);
    }

    [TestCase(LotrSides.Frozen)]
    [TestCase(LotrSides.Trained)]
    public void Lotr_is_read_as_it_was_written(LotrSides sides)
    {
        using var folder = new TemporaryFolder();
        TrainedModule[] written = Lotr(sides);
        CheckRoundTrip(folder, written, new AdapterSaveOptions { Groups = [["m.q", "n.q"], ["m.v"]] });
        string json = File.ReadAllText(folder["adapter/adapter_config.json"]);
        Assert.That(json, sides == LotrSides.Frozen ? Does.Contain("\"seed\": 18446744073709551615") : Does.Not.Contain("seed"));
        using SafetensorsFile file = SafetensorsFile.Open(folder["adapter/adapter_model.safetensors"]);
        Assert.That(file.Tensors.ContainsKey("base_model.lotr.1.R"), Is.EqualTo(sides == LotrSides.Trained));
        Assert.That(file.Entry("base_model.model.m.q.lotr_M").Shape, Is.EqualTo(new[] { 2, 2 }));
    }

    [Test]
    public void Tera_goes_through_the_same_writer()
    {
        using var folder = new TemporaryFolder();
        CheckRoundTrip(folder, [Module("m.q", new TeraUpdate([2, 3], [2, 2], [4], [3], 9))], new AdapterSaveOptions { BaseModelNameOrPath = "some/base" });
    }

    [Test]
    public void Alpha_is_written_as_it_was_given([Values(1, 7, 16, 333)] int rank, [Values(0.1, 1, 16, -2.5, 1e-3)] double alpha)
    {
        using var folder = new TemporaryFolder();
        AdapterWriter.Save(folder["lora"], [Module("m.q", new LowRankUpdate(6, 4, rank, alpha))]);
        AdapterWriter.Save(folder["lotr"], [Module("m.q", new LotrUpdate(6, 4, rank, scale: alpha))]);
        Assert.That(AdapterConfig.Load(folder["lora/adapter_config.json"]).Number("lora_alpha", 0), Is.EqualTo(alpha));
        Assert.That(AdapterConfig.Load(folder["lotr/adapter_config.json"]).Number("scale", 0), Is.EqualTo(alpha));
    }

    [Test]
    public void Layers_of_a_group_share_their_sides_and_add_up_their_gradients()
    {
        using var folder = new TemporaryFolder();
        AdapterWriter.Save(folder["adapter"], Lotr(LotrSides.Trained), new AdapterSaveOptions { Groups = [["m.q", "n.q"], ["m.v"]] });
        using Adapter adapter = Adapter.Load(folder["adapter"]);
        using AdapterBinding binding = adapter.Bind(Sizes());
        using Tensor weight = CpuDevice.Shared.From<float>(new float[24], 6, 4);
        using AdaptedLinear one = binding.CreateLayer("m.q", CpuDevice.Shared, weight, null), two = binding.CreateLayer("n.q", CpuDevice.Shared, weight, null);
        Assert.That(one.Parameters[1].Value, Is.SameAs(two.Parameters[1].Value));
        Assert.That(one.Parameters[2].Value.ToArray<float>(), Is.EqualTo(binding.Module("n.q").ReadTrained(2)));
        float[][] first = Gradients(one), second = Gradients(two), both = Gradients(one, two);
        for (int side = 0; side < 2; side++)
        {
            Assert.That(first[side], Is.Not.All.Zero.And.Not.EqualTo(second[side]));
            Assert.That(both[side], Is.EqualTo(first[side].Zip(second[side], (a, b) => a + b)).Within(1e-5));
        }
    }

    [TestCase(LotrSides.Frozen)]
    [TestCase(LotrSides.Trained)]
    public void A_Lotr_folder_that_is_not_whole_is_reported_and_what_fits_is_read(LotrSides sides)
    {
        using var folder = new TemporaryFolder();
        AdapterWriter.Save(folder["adapter"], Lotr(sides), new AdapterSaveOptions { Groups = [["m.q", "n.q"], ["m.v"]] });
        string path = Path.Combine(folder["adapter"], "adapter_model.safetensors");
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            SafetensorsWriter.Write(folder["broken"],
            [
                .. file.Tensors.Keys.Where(name => !name.EndsWith("m.v.lotr_M", StringComparison.Ordinal) && !name.EndsWith("n.q.lotr_M", StringComparison.Ordinal)).Select(name => SafetensorsSource.From(file, name)),
                PeftFixtures.Random("base_model.model.n.q.lotr_M", 2, 3), PeftFixtures.Random("odd", 2),
            ]);
        }

        File.Move(folder["broken"], path, overwrite: true);
        Assert.That(() => Adapter.Load(folder["adapter"]), Throws.TypeOf<FileFormatException>().With.Message.Contains("2 more problems"));
        using Adapter adapter = Adapter.Load(folder["adapter"], new AdapterLoadOptions { Strict = false });
        Assert.That(() => adapter.Bind(Sizes()), Throws.TypeOf<FileFormatException>(), "strict by default here too");
        using AdapterBinding binding = adapter.Bind(Sizes(), strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(binding.Report.Matched, Is.EqualTo(new[] { "m.q" }));
            Assert.That(binding.Report.Missing.Select(problem => problem.Name), Is.EqualTo(new[] { "base_model.model.m.v.lotr_M" }));
            Assert.That(binding.Report.Unexpected.Select(problem => problem.Name), Is.EqualTo(new[] { "odd" }));
            Assert.That(binding.Report.WrongShape.Select(problem => problem.Name), Is.EqualTo(new[] { "base_model.model.n.q.lotr_M" }));
        });
        using AdapterBinding alone = adapter.Bind(new Dictionary<string, LayerSize> { ["n.q"] = Q }, strict: false);
        Assert.That(alone.Report.Missing.Select(problem => problem.Name), Does.Contain("m.q"), "the base lacks it");
    }

    [Test]
    public void Vera_and_Lotr_become_Lora_with_the_same_update([Values("vera", "lotr-frozen", "lotr-trained")] string method)
    {
        using var folder = new TemporaryFolder();
        PeftBases bases = PeftBases.DrawVera(5, 3, [Q, V]);
        AdapterSaveOptions options = method == "vera" ? new() { Bases = bases } : new() { Groups = [["m.q", "n.q"], ["m.v"]] };
        AdapterWriter.Save(
            folder["adapter"],
            method == "vera" ? [Module("m.q", Update("vera", Q, bases)), Module("m.v", Update("vera", V, bases))] : Lotr(method == "lotr-frozen" ? LotrSides.Frozen : LotrSides.Trained),
            options);
        using Adapter adapter = Adapter.Load(folder["adapter"]);
        using AdapterBinding binding = adapter.Bind(Sizes());
        AdapterWriter.Save(folder["lora"], AdapterConversion.ToLora(binding));
        using Adapter lora = Adapter.Load(folder["lora"]);
        using AdapterBinding converted = lora.Bind(Sizes());
        Assert.That(lora.Type, Is.EqualTo("LORA"));
        foreach (AdapterModule module in binding.Modules)
        {
            float[] expected = Delta(binding, module), actual = Delta(converted, converted.Module(module.Name));
            Assert.That(expected.Max(Math.Abs), Is.GreaterThan(1e-3));
            Assert.That(actual, Is.EqualTo(expected).Within(2e-6 * expected.Max(Math.Abs)));
        }
    }

    [Test]
    public void What_has_no_low_rank_form_is_refused_with_the_reason()
    {
        using Adapter adapter = Adapter.Load(PeftFixtures.Folder("randlora-square"));
        using AdapterBinding binding = adapter.Bind(new Dictionary<string, LayerSize> { ["fc0"] = new(48, 48) });
        Assert.That(() => AdapterConversion.ToLora(binding), Throws.TypeOf<NotSupportedException>().With.Message.Contains("rank up to 48"));
    }

    [Test]
    public void What_one_file_can_not_hold_is_refused()
    {
        using var folder = new TemporaryFolder();
        TrainedModule lora = Module("m.q", new LowRankUpdate(6, 4, 2));
        PeftBases bases = PeftBases.DrawVera(5, 3, [Q]);
        TrainedModule vera = Module("m.q", Update("vera", Q, bases));
        Assert.Multiple(() =>
        {
            Assert.That(() => Save([]), Throws.ArgumentException.With.Message.Contains("at least one"));
            Assert.That(() => Save([lora, lora]), Throws.ArgumentException.With.Message.Contains("twice"));
            Assert.That(() => Save([lora, vera with { Name = "x" }]), Throws.ArgumentException.With.Message.Contains("one method"));
            Assert.That(() => Save([lora with { Values = [new float[8], new float[11]] }]), Throws.ArgumentException.With.Message.Contains("Expected 8, 12 values"));
            Assert.That(() => Save([vera]), Throws.ArgumentException.With.Message.Contains("AdapterSaveOptions.Bases"));
            Assert.That(() => Save([vera], new() { Bases = PeftBases.DrawVera(5, 3, [V]) }), Throws.ArgumentException.With.Message.Contains("frozen bases of \"m.q\""));
            Assert.That(() => Save([Module("m.q", new VeraUpdate(6, 4, 3))]), Throws.TypeOf<NotSupportedException>().With.Message.Contains("PeftBases"));
            Assert.That(() => Save([Module("m.q", new FullUpdate(6, 4))]), Throws.TypeOf<NotSupportedException>().With.Message.Contains("checkpoint"));
            Assert.That(() => Save(Lotr(LotrSides.Frozen)), Throws.ArgumentException.With.Message.Contains("differs"));
            Assert.That(() => Save(Lotr(LotrSides.Trained), new() { Groups = [["m.q"], ["m.v"]] }), Throws.ArgumentException.With.Message.Contains("list each of the 3 modules once"));
            Assert.That(Directory.Exists(folder["adapter"]), Is.False);
        });

        void Save(TrainedModule[] modules, AdapterSaveOptions? options = null) => AdapterWriter.Save(folder["adapter"], modules, options);
    }

    [TestCase("""{"r":2,"scale":1.0,"groups":[["m.q"],["m.q"]]}""", FileRule.DuplicateModule)]
    [TestCase("""{"r":2,"scale":1.0,"groups":[[]]}""", FileRule.KeyValue)]
    [TestCase("""{"r":2,"scale":1.0,"groups":{"a":1}}""", FileRule.KeyValue)]
    [TestCase("""{"r":2,"scale":1.0}""", FileRule.MissingKey)]
    [TestCase("""{"scale":1.0,"groups":[["m.q"]]}""", FileRule.MissingKey)]
    [TestCase("""{"r":2,"scale":1.0,"groups":[["m.q"]]}""", FileRule.MissingTensor)]
    [TestCase("""{"r":2,"scale":1.0,"groups":[["m.q"]],"seed":1,"distribution":"normal"}""", FileRule.MissingKey)]
    [TestCase("""{"r":2,"scale":1.0,"groups":[["m.q"]],"seed":1,"distribution":"normal","factor_format":2}""", FileRule.FactorFormat)]
    [TestCase("""{"r":3,"scale":1.0,"groups":[["m.q"]],"seed":1,"distribution":"normal","factor_format":1}""", FileRule.ShapeMismatch)]
    [TestCase("""{"r":2,"scale":1.0,"groups":[["m.v"]],"seed":1,"distribution":"normal","factor_format":1}""", FileRule.MissingTensor)]
    public void Wrong_Lotr_folders_are_refused(string config, string rule)
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(config, "peft_type", "\"LOTR\""), [PeftFixtures.Random("base_model.model.m.q.lotr_M", 2, 2)]);
        Assert.That(() => Adapter.Load(path), Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(rule));
    }

    [Test]
    public void Modules_of_one_Lotr_group_have_one_size()
    {
        using var folder = new TemporaryFolder();
        string path = PeftFixtures.WriteAdapter(
            folder, """{"peft_type":"LOTR","r":2,"groups":[["m.q","m.v"]],"seed":1,"distribution":"normal","factor_format":1}""",
            [PeftFixtures.Random("base_model.model.m.q.lotr_M", 2, 2), PeftFixtures.Random("base_model.model.m.v.lotr_M", 2, 2)]);
        using Adapter adapter = Adapter.Load(path);
        Assert.That(() => adapter.Bind(PeftFixtures.Base), Throws.TypeOf<FileFormatException>().With.Message.Contains("have one size"));
    }

    private static WeightUpdate Update(string method, LayerSize size, PeftBases bases) => method switch
    {
        "vera" => new VeraUpdate(size.OutFeatures, size.InFeatures, 3, bases.Description),
        "randlora" => new RandLoraUpdate(size.OutFeatures, size.InFeatures, 2, RandLoraPairing.Peft, bases.Description, 3),
        _ => new RandLoraUpdate(size.OutFeatures, size.InFeatures, 2, RandLoraPairing.Paper, bases.Description, 3),
    };

    private static TrainedModule[] Lotr(LotrSides sides)
    {
        TrainedModule[] modules = [.. new[] { ("m.q", Q, 0UL), ("n.q", Q, 0UL), ("m.v", V, 1UL) }.Select(module => Module(module.Item1, sides == LotrSides.Frozen
            ? new LotrUpdate(module.Item2.OutFeatures, module.Item2.InFeatures, 2, sides, unchecked(ulong.MaxValue + module.Item3), Distribution.Uniform, 3)
            : new LotrUpdate(module.Item2.OutFeatures, module.Item2.InFeatures, 2, sides, scale: 3)))];
        return sides == LotrSides.Frozen
            ? modules
            : [modules[0], modules[1] with { Values = [modules[1].Values[0], modules[0].Values[1], modules[0].Values[2]] }, modules[2]];
    }

    private static Dictionary<string, LayerSize> Sizes() => new(PeftFixtures.Base) { ["n.q"] = Q };

    private static TrainedModule Module(string name, WeightUpdate update)
    {
        var random = new Random(name[0] + name[^1]);
        return new TrainedModule(name, update, [.. update.Trained.Select(tensor => Enumerable.Range(0, (int)tensor.Count).Select(_ => random.NextSingle() - 0.5f).ToArray())]);
    }

    private static void CheckRoundTrip(TemporaryFolder folder, TrainedModule[] written, AdapterSaveOptions options)
    {
        AdapterWriter.Save(folder["adapter"], written, options);
        using Adapter adapter = Adapter.Load(folder["adapter"]);
        Dictionary<string, LayerSize> sizes = written.ToDictionary(module => module.Name, module => new LayerSize(module.Update.OutFeatures, module.Update.InFeatures));
        using AdapterBinding binding = adapter.Bind(sizes);
        Assert.That(binding.Modules, Has.Length.EqualTo(written.Length));
        foreach (TrainedModule module in written)
        {
            AdapterModule read = binding.Module(module.Name);
            Assert.That(read.Update.GetType(), Is.EqualTo(module.Update.GetType()));
            Assert.That(read.Update.Alpha, Is.EqualTo(module.Update.Alpha));
            Assert.That(read.Update.Left.ToString(), Is.EqualTo(module.Update.Left.ToString()));
            Assert.That(read.Update.Right.ToString(), Is.EqualTo(module.Update.Right.ToString()));
            Assert.That(Enumerable.Range(0, module.Values.Count).Select(read.ReadTrained), Is.EqualTo(module.Values));
            Assert.That(read.BiasName is null ? null : read.ReadBias(), Is.EqualTo(module.Bias));
        }

        Assert.That(() => AdapterWriter.Save(folder["adapter"], written, options), Throws.TypeOf<OutputExistsException>());
        adapter.Save(folder["copy"]);
        Assert.That(File.ReadAllBytes(folder["copy/adapter_config.json"]), Is.EqualTo(File.ReadAllBytes(folder["adapter/adapter_config.json"])));
        Assert.That(File.ReadAllBytes(folder["copy/adapter_model.safetensors"]), Is.EqualTo(File.ReadAllBytes(folder["adapter/adapter_model.safetensors"])));
    }

    /// <summary>The gradients of L and R after backwards of these layers, one after the other; their own M tells them apart.</summary>
    private static float[][] Gradients(params AdaptedLinear[] layers)
    {
        foreach (AdaptedLinear layer in layers)
        {
            layer.ZeroGradients();
        }

        using Tensor x = CpuDevice.Shared.From<float>([1, -2, 3, 0.5f], 1, 4), dy = CpuDevice.Shared.From<float>([0.5f, 1, -1, 2, 0.25f, -3], 1, 6), y = CpuDevice.Shared.Allocate(DType.Float32, 1, 6);
        foreach (AdaptedLinear layer in layers)
        {
            using var context = new LayerContext();
            layer.Forward(x, y, context);
            layer.Backward(context, x, dy, null);
        }

        return [.. layers[0].Parameters.Skip(1).Take(2).Select(parameter => parameter.Gradient.ToArray<float>())];
    }

    private static float[] Delta(AdapterBinding binding, AdapterModule module)
    {
        (long n, long k) = (module.Update.OutFeatures, module.Update.InFeatures);
        using Tensor weight = CpuDevice.Shared.From<float>(new float[n * k], n, k), delta = CpuDevice.Shared.Allocate(DType.Float32, n, k);
        using AdaptedLinear layer = binding.CreateLayer(module.Name, CpuDevice.Shared, weight, null);
        layer.MaterializeDelta(delta);
        return delta.ToArray<float>();
    }
}
