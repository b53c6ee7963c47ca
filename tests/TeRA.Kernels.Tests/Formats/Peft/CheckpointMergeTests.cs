using System.Text;
using NUnit.Framework;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Merging into whole checkpoints and back.</summary>
[TestFixture]
internal sealed class CheckpointMergeTests
{
    [TestCase(SafetensorsDType.F32, 1e-7)]
    [TestCase(SafetensorsDType.BF16, 4e-3)]
    [TestCase(SafetensorsDType.F16, 5e-4)]
    [TestCase(SafetensorsDType.F64, 1e-7)]
    public void Merged_weights_are_the_base_plus_the_update(SafetensorsDType dtype, double rounding)
    {
        using var folder = new TemporaryFolder();
        MergeReport report = Merge(folder, dtype);
        using SafetensorsFile before = SafetensorsFile.Open(folder["base"]), after = SafetensorsFile.Open(folder["merged"]), lora = SafetensorsFile.Open(folder["adapter/adapter_model.safetensors"]);
        foreach ((string module, LayerSize size) in PeftFixtures.Base)
        {
            float[] expected = before.ReadSingles(module + ".weight");
            if (module != "m.o")
            {
                Add(expected, lora.ReadSingles($"base_model.model.{module}.lora_B.weight"), lora.ReadSingles($"base_model.model.{module}.lora_A.weight"), size, 3);
            }

            Assert.That(after.ReadSingles(module + ".weight"), Is.EqualTo(expected).Within(2 * rounding), module);
            Assert.That(after.Bytes(module + ".bias").SequenceEqual(before.Bytes(module + ".bias")));
        }

        Assert.Multiple(() =>
        {
            Assert.That(after.Bytes("m.o.weight").SequenceEqual(before.Bytes("m.o.weight")), "untouched");
            Assert.That(after.Tensors.Keys, Is.EquivalentTo(before.Tensors.Keys));
            Assert.That(after.Metadata["tera.merged"], Is.EqualTo(report.Digest));
            Assert.That(after.Metadata["custom"], Is.EqualTo("kept"));
            Assert.That(report.Layers.Select(layer => layer.Module), Is.EquivalentTo(new[] { "m.q", "m.v" }));
            Assert.That(report.LargestDelta, Is.InRange(0.05, 3));
            Assert.That(report.ChangedShare, Is.InRange(0.9, 1));
            Assert.That(report.LargestRounding, Is.LessThan(2 * rounding));
            Assert.That(report.Layers.All(layer => layer.RelativeRounding < 0.1));
        });
    }

    /// <summary>The methods that PEFT lacks, held against the dense float64 reference; PEFT's own are held against PEFT's numbers by the command's tests.</summary>
    [TestCase("tera")]
    [TestCase("lotr, frozen sides")]
    [TestCase("lotr, trained sides")]
    public void Adapters_of_other_formats_than_PEFTs_are_merged_and_come_out_again(string method)
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteBase(folder["base"]);
        TrainedModule[] written = [Trained("m.q", method, 1), Trained("m.v", method, 2)];
        AdapterWriter.Save(folder["adapter"], written, method == "tera" ? new() : new() { Groups = [["m.q"], ["m.v"]] });
        CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
        using (SafetensorsFile before = SafetensorsFile.Open(folder["base"]), after = SafetensorsFile.Open(folder["merged"]))
        {
            foreach (TrainedModule module in written)
            {
                LayerData data = LayerData.Normal(module.Update, 1, DType.Float32, bias: false) with
                {
                    Weight = [.. before.ReadSingles(module.Name + ".weight").Select(value => (double)value)],
                    Trained = [.. module.Values.Select(values => Array.ConvertAll(values, value => (double)value))],
                };
                double[] expected = DenseReference.Compute(data).Merged;
                Assert.That(expected, Is.Not.EqualTo(data.Weight).Within(0.01), "the update does something");
                Assert.That(after.ReadSingles(module.Name + ".weight"), Is.EqualTo(expected).Within(2e-6), module.Name);
            }

            Assert.That(after.Bytes("m.o.weight").SequenceEqual(before.Bytes("m.o.weight")));
        }

        CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["restored"]);
        Assert.That(File.ReadAllBytes(folder["restored"]), Is.EqualTo(File.ReadAllBytes(folder["base"])));
    }

    [TestCase(SafetensorsDType.F32)]
    [TestCase(SafetensorsDType.BF16)]
    [TestCase(SafetensorsDType.F16)]
    public void The_reports_numbers_are_those_of_the_files(SafetensorsDType dtype)
    {
        using var folder = new TemporaryFolder();
        MergeReport report = Merge(folder, dtype);
        using SafetensorsFile before = SafetensorsFile.Open(folder["base"]), after = SafetensorsFile.Open(folder["merged"]), lora = SafetensorsFile.Open(folder["adapter/adapter_model.safetensors"]);
        foreach (MergedLayer layer in report.Layers)
        {
            float[] delta = new float[layer.Count], old = before.ReadSingles(layer.Module + ".weight"), now = after.ReadSingles(layer.Module + ".weight");
            Add(delta, lora.ReadSingles($"base_model.model.{layer.Module}.lora_B.weight"), lora.ReadSingles($"base_model.model.{layer.Module}.lora_A.weight"), layer.Size, 3);
            double[] roundings = [.. now.Select((value, i) => value - ((double)old[i] + delta[i]))];
            Assert.Multiple(() =>
            {
                Assert.That(layer.Size, Is.EqualTo(PeftFixtures.Base[layer.Module]));
                Assert.That(layer.DType.ToSafetensors(), Is.EqualTo(dtype));
                Assert.That(layer.Changed, Is.EqualTo(now.Zip(old).Count(pair => pair.First != pair.Second)));
                Assert.That(layer.LargestDelta, Is.EqualTo(delta.Max(Math.Abs)).Within(1e-6));
                Assert.That(layer.LargestRounding, Is.EqualTo(roundings.Max(Math.Abs)).Within(2e-7));
                Assert.That(layer.RelativeRounding, Is.EqualTo(Norm(roundings) / Norm([.. delta.Select(value => (double)value)])).Within(1e-6));
            });
        }

        Assert.That(report.LargestDelta, Is.EqualTo(report.Layers.Max(layer => layer.LargestDelta)));
        Assert.That(report.LargestRounding, Is.EqualTo(report.Layers.Max(layer => layer.LargestRounding)));
        Assert.That(report.ChangedShare, Is.EqualTo((double)report.Layers.Sum(layer => layer.Changed) / report.Layers.Sum(layer => layer.Count)));
    }

    [Test]
    public void An_update_that_the_weights_dtype_swallows_is_told()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], [Constant("m.q.weight", 100, 6, 4), Constant("m.v.weight", 100, 3, 5)]);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "lora_alpha", "0.01"), PeftFixtures.LoraTensors().Values);
        MergeReport report = CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"]);
        Assert.That(report.LargestDelta, Is.InRange(1e-5, 1e-2));
        Assert.That(report.ChangedShare, Is.Zero);
        Assert.That(report.Layers.Select(layer => layer.RelativeRounding), Is.All.EqualTo(1));

        static SafetensorsSource Constant(string name, float value, int rows, int columns) =>
            SafetensorsSource.From(name, Enumerable.Repeat((BFloat16)value, rows * columns).ToArray(), rows, columns);
    }

    [Test]
    public void Memory_holds_a_few_copies_of_the_largest_weight_however_many_there_are([Values] bool backup)
    {
        using var folder = new TemporaryFolder();
        const int Size = 256;
        long[] peaks = [Peak(folder, 2, Size, backup), Peak(folder, 24, Size, backup)];
        Assert.That(peaks[1], Is.EqualTo(peaks[0]), "more layers take no more");
        Assert.That(peaks[1], Is.LessThan(6 * Size * Size * sizeof(float)));
    }

    [TestCase(SafetensorsDType.F32)]
    [TestCase(SafetensorsDType.BF16)]
    public void Unmerging_gives_back_every_bit(SafetensorsDType dtype)
    {
        using var folder = new TemporaryFolder();
        Merge(folder, dtype);
        CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["restored"]);
        using SafetensorsFile before = SafetensorsFile.Open(folder["base"]), after = SafetensorsFile.Open(folder["restored"]), merged = SafetensorsFile.Open(folder["merged"]);
        Assert.That(merged.Bytes("m.q.weight").SequenceEqual(before.Bytes("m.q.weight")), Is.False);
        foreach (string name in before.Tensors.Keys)
        {
            Assert.That(after.Bytes(name).SequenceEqual(before.Bytes(name)), name);
        }

        Assert.That(after.Metadata, Is.EqualTo(before.Metadata));
        Assert.That(File.ReadAllBytes(folder["restored"]), Is.EqualTo(File.ReadAllBytes(folder["base"])));
    }

    [Test]
    public void The_same_adapter_is_not_merged_twice_and_comes_out_only_once()
    {
        using var folder = new TemporaryFolder();
        Merge(folder);
        Assert.Multiple(() =>
        {
            Assert.That(() => CheckpointMerge.Merge(folder["merged"], folder["adapter"], folder["twice"]), Rule(FileRule.AlreadyMerged));
            Assert.That(() => CheckpointMerge.Unmerge(folder["base"], folder["backup"], folder["x"]), Rule(FileRule.NotMerged));
            Assert.That(() => CheckpointMerge.Unmerge(folder["merged"], folder["base"], folder["x"]), Rule(FileRule.NotMerged));
            Assert.That(File.Exists(folder["twice"]) || File.Exists(folder["x"]), Is.False);
        });
    }

    [Test]
    public void Merges_come_out_in_reverse_order()
    {
        using var folder = new TemporaryFolder();
        Merge(folder);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "lora_alpha", "1"), PeftFixtures.LoraTensors().Values, "second");
        CheckpointMerge.Merge(folder["merged"], folder["second"], folder["both"], new MergeOptions { Backup = folder["backup2"] });
        Assert.That(() => CheckpointMerge.Unmerge(folder["both"], folder["backup"], folder["x"]), Rule(FileRule.NotMerged));
        CheckpointMerge.Unmerge(folder["both"], folder["backup2"], folder["one"]);
        Assert.That(File.ReadAllBytes(folder["one"]), Is.EqualTo(File.ReadAllBytes(folder["merged"])));
    }

    [Test]
    public void Merging_nothing_is_an_error()
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteBase(folder["base"]);
        IEnumerable<SafetensorsSource> untrained = PeftFixtures.LoraTensors().Values.Select(source =>
            source.Name.Contains("lora_B", StringComparison.Ordinal) ? FormatFixtures.Zeros(source.Name, SafetensorsDType.F32, [.. source.Shape]) : source);
        string adapter = PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, untrained);
        Assert.That(() => CheckpointMerge.Merge(folder["base"], adapter, folder["merged"], new MergeOptions { Backup = folder["backup"] }), Throws.TypeOf<FileFormatException>().With.Message.Contains("nothing to merge"));
        SafetensorsWriter.Write(folder["other"], [PeftFixtures.Random("z.weight", 2, 2)]);
        Assert.That(() => CheckpointMerge.Merge(folder["other"], adapter, folder["merged"], new MergeOptions { Load = new AdapterLoadOptions { Strict = false } }), Throws.TypeOf<FileFormatException>().With.Message.Contains("nothing to merge"));
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "base", "other" }), "nothing is left behind");
    }

    [Test]
    public void Checkpoints_of_several_files_keep_their_files_and_index()
    {
        using var folder = new TemporaryFolder();
        WriteShards(folder);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        MergeReport sharded = CheckpointMerge.Merge(folder["shards"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
        PeftFixtures.WriteBase(folder["base"]);
        CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["single"]);
        using Checkpoint many = Checkpoint.Open(folder["merged"]);
        using SafetensorsFile one = SafetensorsFile.Open(folder["single"]);
        Assert.Multiple(() =>
        {
            Assert.That(many.Files.Keys, Is.EqualTo(new[] { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" }));
            Assert.That(many.TensorNames, Is.EquivalentTo(one.Tensors.Keys));
            Assert.That(sharded.Layers, Has.Length.EqualTo(2));
            foreach (string name in one.Tensors.Keys)
            {
                Assert.That(many.FileOf(name).Bytes(name).SequenceEqual(one.Bytes(name)), name);
            }

            Assert.That(File.ReadAllBytes(folder["merged/model.safetensors.index.json"]), Is.EqualTo(File.ReadAllBytes(folder["shards/model.safetensors.index.json"])));
            Assert.That(() => CheckpointMerge.Merge(folder["merged"], folder["adapter"], folder["x"]), Rule(FileRule.AlreadyMerged));
        });
        CheckpointMerge.Unmerge(folder["merged/model.safetensors.index.json"], folder["backup"], folder["restored"]);
        foreach (string file in many.Files.Keys.Append("model.safetensors.index.json"))
        {
            Assert.That(File.ReadAllBytes(folder["restored/" + file]), Is.EqualTo(File.ReadAllBytes(folder["shards/" + file])), file);
        }
    }

    [TestCase("""{"weight_map":{"steps":"../a.safetensors"}}""", FileRule.KeyValue)]
    [TestCase("""{"weight_map":{"steps":"a.safetensors"}}""", FileRule.MissingFile)]
    [TestCase("""{"weight_map":{"steps":"model-00001-of-00002.safetensors"}}""", FileRule.CheckpointIndex)]
    [TestCase("""{"weight_map":{"nothing":"model-00001-of-00002.safetensors"}}""", FileRule.CheckpointIndex)]
    [TestCase("""{"weight_map":[]}""", FileRule.KeyValue)]
    [TestCase("""{}""", FileRule.MissingKey)]
    [TestCase("""{"weight_map":{"a":"x","a":"y"}}""", FileRule.DuplicateKey)]
    public void An_index_that_does_not_fit_is_refused(string index, string rule)
    {
        using var folder = new TemporaryFolder();
        WriteShards(folder);
        File.WriteAllText(folder["shards/model.safetensors.index.json"], index);
        Assert.That(() => Checkpoint.Open(folder["shards"]), Rule(rule));
    }

    [Test]
    public void A_folder_without_a_checkpoint_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.That(() => Checkpoint.Open(folder.Root), Rule(FileRule.MissingFile));
    }

    [Test]
    public void Trained_biases_are_merged_in_the_bases_dtype()
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteBase(folder["base"], SafetensorsDType.BF16);
        string adapter = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "bias", "\"all\""),
            [.. PeftFixtures.LoraTensors().Values, PeftFixtures.Random("base_model.model.m.q.base_layer.bias", 6), PeftFixtures.Random("base_model.model.m.o.bias", 4)]);
        MergeReport report = CheckpointMerge.Merge(folder["base"], adapter, folder["merged"], new MergeOptions { Backup = folder["backup"] });
        CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["restored"]);
        Assert.That(File.ReadAllBytes(folder["restored"]), Is.EqualTo(File.ReadAllBytes(folder["base"])), "biases come back, too");
        using SafetensorsFile after = SafetensorsFile.Open(folder["merged"]), lora = SafetensorsFile.Open(folder["adapter/adapter_model.safetensors"]);
        Assert.Multiple(() =>
        {
            Assert.That(report.Biases, Is.EqualTo(new[] { "m.q.bias", "m.o.bias" }));
            Assert.That(after.ReadSingles("m.q.bias"), Is.EqualTo(lora.ReadSingles("base_model.model.m.q.base_layer.bias").Select(value => (float)(BFloat16)value)));
            Assert.That(after.ReadSingles("m.o.bias"), Is.EqualTo(lora.ReadSingles("base_model.model.m.o.bias").Select(value => (float)(BFloat16)value)));
        });
    }

    [Test]
    public void A_bias_that_the_base_lacks_is_named()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], PeftFixtures.BaseTensors().Where(source => source.Name != "m.q.bias"));
        string adapter = PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "bias", "\"all\""),
            [.. PeftFixtures.LoraTensors().Values, PeftFixtures.Random("base_model.model.m.q.base_layer.bias", 6)]);
        Assert.That(() => CheckpointMerge.Merge(folder["base"], adapter, folder["merged"]), Throws.TypeOf<FileFormatException>().With.Message.Contains("m.q.bias"));
    }

    [Test]
    public void A_quantised_weight_is_refused()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], [.. PeftFixtures.BaseTensors().Where(source => source.Name != "m.q.weight"), FormatFixtures.Zeros("m.q.weight", SafetensorsDType.F8E4M3, 6, 4)]);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        Assert.That(() => CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"]), Rule(FileRule.WrongDType));
    }

    [Test]
    public void Nothing_is_overwritten_and_nothing_half_written_stays()
    {
        using var folder = new TemporaryFolder();
        Merge(folder);
        Assert.That(() => CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"]), Throws.TypeOf<OutputExistsException>());
        using var cancelled = new CancellationTokenSource();
        var options = new MergeOptions { Cancellation = cancelled.Token, Backup = folder["backup3"], Progress = _ => cancelled.Cancel() };
        Assert.That(() => CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["new"], options), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "backup", "base", "merged" }));
    }

    [Test]
    public void A_merge_of_several_files_that_is_interrupted_anywhere_leaves_nothing([Range(1, 7)] int tensors)
    {
        using var folder = new TemporaryFolder();
        WriteShards(folder);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        using var cancelled = new CancellationTokenSource();
        int written = 0;
        var options = new MergeOptions { Cancellation = cancelled.Token, Backup = folder["backup"], Progress = _ => Interrupt() };
        Assert.That(() => CheckpointMerge.Merge(folder["shards"], folder["adapter"], folder["merged"], options), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(written, Is.EqualTo(tensors));
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "shards" }), "neither files nor their folder");

        void Interrupt()
        {
            if (++written == tensors)
            {
                cancelled.Cancel();
            }
        }
    }

    [Test]
    public void A_base_that_fits_in_part_is_refused_unless_that_is_allowed()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], PeftFixtures.BaseTensors().Where(source => source.Name != "m.v.weight"));
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        Assert.That(() => CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"]), Throws.TypeOf<FileFormatException>().With.Message.Contains("\"m.v\""));
        MergeReport report = CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Load = new AdapterLoadOptions { Strict = false } });
        Assert.That(report.Layers.Select(layer => layer.Module), Is.EqualTo(new[] { "m.q" }));
    }

    [Test]
    public void Files_of_a_merged_and_an_unmerged_checkpoint_are_told_apart()
    {
        using var folder = new TemporaryFolder();
        WriteShards(folder);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        CheckpointMerge.Merge(folder["shards"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
        File.Copy(folder["shards/model-00002-of-00002.safetensors"], folder["merged/model-00002-of-00002.safetensors"], overwrite: true);
        Assert.That(() => CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["x"]), Rule(FileRule.CheckpointIndex));
        Assert.That(() => CheckpointMerge.Merge(folder["merged"], folder["adapter"], folder["x"]), Rule(FileRule.CheckpointIndex));
    }

    [Test]
    public void A_backup_does_not_stay_without_its_merge()
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteBase(folder["base"]);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);

        // Somebody else takes the place while the merge writes.
        var options = new MergeOptions { Backup = folder["backup"], Progress = _ => File.WriteAllText(folder["merged"], "theirs") };
        Assert.That(() => CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], options), Throws.InstanceOf<IOException>());
        Assert.That(File.ReadAllText(folder["merged"]), Is.EqualTo("theirs"));
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "base", "merged" }));
    }

    [Test]
    public void Progress_reaches_the_end()
    {
        using var folder = new TemporaryFolder();
        PeftFixtures.WriteBase(folder["base"]);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        var seen = new List<MergeProgress>();
        CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Progress = seen.Add });
        Assert.That(seen.Select(at => at.Tensor), Is.EquivalentTo(PeftFixtures.BaseTensors().Select(source => source.Name)));
        Assert.That(seen[^1].BytesDone, Is.EqualTo(seen[^1].BytesTotal));
    }

    private static NUnit.Framework.Constraints.EqualStringConstraint Rule(string rule) => Throws.TypeOf<FileFormatException>().With.Property("Rule").EqualTo(rule);

    private static MergeReport Merge(TemporaryFolder folder, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        PeftFixtures.WriteBase(folder["base"], dtype, new Dictionary<string, string> { ["custom"] = "kept" });
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        return CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
    }

    private static TrainedModule Trained(string module, string method, int seed)
    {
        (long n, long k) = (PeftFixtures.Base[module].OutFeatures, PeftFixtures.Base[module].InFeatures);
        WeightUpdate update = method switch
        {
            "tera" => new TeraUpdate(n == 6 ? [2, 3] : [n], n == 6 ? [2, 2] : [2], [k], [3], seed: 9, Distribution.Uniform, 1.5),
            "lotr, frozen sides" => new LotrUpdate(n, k, 2, LotrSides.Frozen, seed: 2 + (ulong)seed, Distribution.Uniform, scale: 3),
            _ => new LotrUpdate(n, k, 2, LotrSides.Trained, scale: 3),
        };
        var random = new Random(seed);
        return new TrainedModule(module, update, [.. update.Trained.Select(tensor => Enumerable.Range(0, (int)tensor.Count).Select(_ => random.NextSingle() + 0.5f).ToArray())]);
    }

    /// <summary>The most bytes that a merge of so many layers held on its device at a time.</summary>
    private static long Peak(TemporaryFolder folder, int layers, int size, bool backup)
    {
        string[] modules = [.. Enumerable.Range(0, layers).Select(i => $"m{i}.q")];
        SafetensorsWriter.Write(folder["base"], modules.Select(module => PeftFixtures.Random(module + ".weight", size, size)), overwrite: true);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "target_modules", """["q"]"""), modules.SelectMany(module => new[]
        {
            PeftFixtures.Random($"base_model.model.{module}.lora_A.weight", 2, size), PeftFixtures.Random($"base_model.model.{module}.lora_B.weight", size, 2),
        }));
        using var device = new CountingDevice(CpuDevice.Shared);
        var options = new MergeOptions { Device = device, Overwrite = true, Backup = backup ? folder["backup"] : null };
        Assert.That(CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], options).Layers, Has.Length.EqualTo(layers));
        Assert.That(device.Held, Is.Zero, "everything was given back");
        return device.Peak;
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));

    private static void Add(float[] weight, float[] b, float[] a, LayerSize size, float scale)
    {
        int rank = b.Length / (int)size.OutFeatures, columns = (int)size.InFeatures;
        for (int i = 0; i < weight.Length; i++)
        {
            double sum = 0;
            for (int r = 0; r < rank; r++)
            {
                sum += (double)b[(i / columns * rank) + r] * a[(r * columns) + (i % columns)];
            }

            weight[i] = (float)(weight[i] + (scale * sum));
        }
    }

    private static void WriteShards(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder["shards"]);
        var map = new StringBuilder();
        foreach ((SafetensorsSource[] part, int i) in PeftFixtures.BaseTensors().Chunk(4).Select((part, i) => (part, i)))
        {
            string name = $"model-{i + 1:D5}-of-00002.safetensors";
            SafetensorsWriter.Write(folder["shards/" + name], part, new Dictionary<string, string> { ["format"] = "pt" });
            map.AppendJoin("", part.Select(source => $",\"{source.Name}\":\"{name}\""));
        }

        File.WriteAllText(folder["shards/model.safetensors.index.json"], $"{{\"metadata\":{{\"total_size\":1}},\"weight_map\":{{{map.ToString()[1..]}}}}}");
    }
}
