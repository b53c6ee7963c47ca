using System.Reflection;
using System.Text;
using NUnit.Framework;
using TeRA.Kernels.Formats;
using TeRA.Kernels.Tests.Formats.Peft;

namespace TeRA.Kernels.Tests.Formats;

/// <summary>Every rule of the files is broken at least once, alone, and is named with the words a person needs.</summary>
[TestFixture]
internal sealed class FileRuleTests
{
    private const string Entry = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";

    private static readonly TestCaseData[] HeaderCases =
    [
        Header(FileRule.HeaderTooSmall, "has 7 in all", []),
        Header(FileRule.HeaderTooSmall, "has 0 in all", [], cut: 0),
        Header(FileRule.HeaderTooLarge, "claims 100000001", Claim(100_000_001)),
        Header(FileRule.HeaderTooLarge, "claims 18446744073709551615", Claim(ulong.MaxValue)),
        Header(FileRule.HeaderTooLarge, "claims 107374182400", Claim(100UL << 30)),
        Header(FileRule.HeaderOutsideFile, "has only 2", Claim(3)),
        Header(FileRule.HeaderStart, "an empty header", FormatFixtures.File("")),
        Header(FileRule.HeaderStart, "0x20", FormatFixtures.File(" {}")),
        Header(FileRule.HeaderStart, "0x5b", FormatFixtures.File("[]")),
        Header(FileRule.Utf8, "UTF-8", FormatFixtures.File([.. "{\""u8, 0xc3, 0x28, .. "\":1}"u8])),
        Header(FileRule.JsonSyntax, "JSON", FormatFixtures.File("{")),
        Header(FileRule.JsonSyntax, "JSON", FormatFixtures.File("{} x")),
        Header(FileRule.JsonSyntax, "JSON", FormatFixtures.File("{}\0")),
        Header(FileRule.JsonSyntax, "JSON", FormatFixtures.File("{/**/}")),
        Header(FileRule.JsonSyntax, "JSON", FormatFixtures.File($"{{\"a\":{{{Entry},}}}}", 8)),
        Header(FileRule.JsonString, "surrogate", FormatFixtures.File("{\"\\ud800\":1}")),
        Header(FileRule.JsonString, "surrogate", FormatFixtures.File("{\"__metadata__\":{\"a\":\"\\udc00\"}}")),
        Header(FileRule.DuplicateKey, "\"a\" stands twice in the header", FormatFixtures.File($"{{\"a\":{{{Entry}}},\"a\":{{{Entry}}}}}", 8)),
        Header(FileRule.DuplicateKey, "\"a\" stands twice in the header", FormatFixtures.File($"{{\"a\":{{{Entry}}},\"\\u0061\":{{{Entry}}}}}", 8)),
        Header(FileRule.DuplicateKey, "\"__metadata__\" stands twice in the header", FormatFixtures.File("{\"__metadata__\":{},\"__metadata__\":{}}")),
        Header(FileRule.DuplicateKey, "\"k\" stands twice in __metadata__", FormatFixtures.File("{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}")),
        Header(FileRule.DuplicateKey, "\"dtype\" stands twice in \"a\"", FormatFixtures.File($"{{\"a\":{{\"dtype\":\"F32\",{Entry}}}}}", 8)),
        Header(FileRule.DuplicateKey, "\"shape\" stands twice in \"a\"", FormatFixtures.File($"{{\"a\":{{\"shape\":[],{Entry}}}}}", 8)),
        Header(FileRule.DuplicateKey, "\"data_offsets\" stands twice in \"a\"", FormatFixtures.File($"{{\"a\":{{{Entry},\"data_offsets\":[0,8]}}}}", 8)),
        Header(FileRule.Metadata, "found null", FormatFixtures.File("{\"__metadata__\":null}")),
        Header(FileRule.Metadata, "found 1 for \"k\"", FormatFixtures.File("{\"__metadata__\":{\"k\":1}}")),
        Header(FileRule.Metadata, "found an object for \"k\"", FormatFixtures.File("{\"__metadata__\":{\"k\":{}}}")),
        Header(FileRule.TensorEntry, "found a list", FormatFixtures.File("{\"a\":[]}")),
        Header(FileRule.TensorEntry, "lacks dtype", FormatFixtures.File("{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}")),
        Header(FileRule.TensorEntry, "lacks shape", FormatFixtures.File("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}")),
        Header(FileRule.TensorEntry, "lacks data_offsets", FormatFixtures.File("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}")),
        Header(FileRule.TensorEntry, "found \"strides\"", FormatFixtures.File($"{{\"a\":{{{Entry},\"strides\":[1]}}}}", 8)),
        Header(FileRule.TensorEntry, "found 4", FormatFixtures.File("{\"a\":{\"dtype\":4}}")),
        Header(FileRule.UnknownDType, "\"F33\"", FormatFixtures.File("{\"a\":{\"dtype\":\"F33\",\"shape\":[0],\"data_offsets\":[0,0]}}")),
        Header(FileRule.UnknownDType, "\"f32\"", FormatFixtures.File("{\"a\":{\"dtype\":\"f32\",\"shape\":[0],\"data_offsets\":[0,0]}}")),
        Header(FileRule.TensorShape, "found 3", Shaped("3")),
        Header(FileRule.TensorShape, "dimension 0", Shaped("[-1]")),
        Header(FileRule.TensorShape, "dimension 1", Shaped("[1,-0]")),
        Header(FileRule.TensorShape, "found 1.0", Shaped("[1.0]")),
        Header(FileRule.TensorShape, "found 1e1", Shaped("[1e1]")),
        Header(FileRule.TensorShape, "found 9223372036854775808", Shaped("[9223372036854775808]")),
        Header(FileRule.TensorShape, "found a list", Shaped("[[1]]")),
        Header(FileRule.TensorShape, "at most 64", Shaped($"[{string.Join(',', Enumerable.Repeat(1, 65))}]")),
        Header(FileRule.DataOffsets, "two integers", Placed("[0]")),
        Header(FileRule.DataOffsets, "two integers", Placed("[0,8,8]")),
        Header(FileRule.DataOffsets, "found -8", Placed("[-8,0]")),
        Header(FileRule.DataOffsets, "found an object", Placed("{}")),
        Header(FileRule.DataOffsets, "must not fall, found [8, 0]", Placed("[8,0]")),
        Header(FileRule.SizeOverflow, "2^63-1 bits", Shaped("[4294967296,4294967296]")),
        Header(FileRule.SizeOverflow, "2^63-1 bits", Shaped("[288230376151711744]")),
        Header(FileRule.SizeOverflow, "2^63-1 bits", Shaped("[0,4294967296,4294967296]")),
        Header(FileRule.SizeOverflow, "2^63-1 bits", Shaped("[4294967296,4294967296,0]")),
        Header(FileRule.PartialByte, "12 bits", FormatFixtures.File("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2)),
        Header(FileRule.PartialByte, "18 bits", FormatFixtures.File("{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2)),
        Header(FileRule.SizeMismatch, "takes 8 bytes, but data_offsets [0, 7] span 7", Placed("[0,7]")),
        Header(FileRule.SizeMismatch, "takes 4 bytes", FormatFixtures.File("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}}")),
        Header(FileRule.DataHole, "must start at byte 0 of the data, where the one before it ends, but starts at 8", Placed("[8,16]", 16)),
        Header(FileRule.DataHole, "\"b\" must start at byte 8", Two("[16,24]", 24)),
        Header(FileRule.DataOverlap, "\"b\" must start at byte 8", Two("[4,12]", 12)),
        Header(FileRule.DataOverlap, "must start at byte 8", Two("[0,8]", 8)),
        Header(FileRule.DataOverlap, "must start at byte 8", FormatFixtures.File($"{{\"a\":{{{Entry}}},\"e\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}}}", 8)),
        Header(FileRule.DataOutsideFile, "need 8 bytes of data, the file has 7", Placed("[0,8]", 7)),
        Header(FileRule.DataTrailing, "need 8 bytes of data, the file has 9", Placed("[0,8]", 9)),
        Header(FileRule.DataTrailing, "need 0 bytes of data, the file has 1", FormatFixtures.File("{}", 1)),
    ];

    private static readonly TestCaseData[] ConfigCases =
    [
        Config(FileRule.Utf8, "UTF-8", [.. "{\"a\":\""u8, 0xff, .. "\"}"u8]),
        Config(FileRule.JsonSyntax, "JSON", ""),
        Config(FileRule.JsonSyntax, "JSON", "{\"a\":NaN}"),
        Config(FileRule.JsonSyntax, "JSON", "\ufeff{}"),
        Config(FileRule.JsonString, "surrogate", "{\"a\":[\"\\ud800\"]}"),
        Config(FileRule.JsonDepth, "at most 64 deep", "{\"a\":" + new string('[', 64) + new string(']', 64) + "}"),
        Config(FileRule.JsonKeys, "at most 262144", "{" + string.Join(',', Enumerable.Range(0, 262_145).Select(i => $"\"{i}\":0")) + "}"),
        Config(FileRule.DuplicateKey, "\"seed\" stands twice in the configuration", Edited("\"seed\": 42", "\"seed\": 42, \"seed\": 43")),
        Config(FileRule.DuplicateKey, "\"12x6\" stands twice in \"shapes\"", Edited("\"shapes\": {", "\"shapes\": {\"12x6\": {},")),
        Config(FileRule.DuplicateKey, "\"x\" stands twice in \"deep\"", Edited("\"seed\"", "\"other\": [{\"deep\": {\"x\": 1, \"x\": 1}}], \"seed\"")),
        Config(FileRule.AdapterType, "found \"LORA\"", Edited("TERA", "LORA")),
        Config(FileRule.MissingKey, "\"peft_type\" is missing", "{}"),
        Config(FileRule.MissingKey, "\"factor_format\" is missing", Without("factor_format")),
        Config(FileRule.MissingKey, "\"seed\" is missing", Without("seed")),
        Config(FileRule.MissingKey, "\"distribution\" is missing", Without("distribution")),
        Config(FileRule.MissingKey, "\"scale\" is missing", Without("scale")),
        Config(FileRule.MissingKey, "\"target_modules\" is missing", Without("target_modules")),
        Config(FileRule.MissingKey, "\"shapes\" is missing", Without("shapes")),
        Config(FileRule.MissingKey, "shapes[\"12x6\"].row_ranks is missing", Edited("row_ranks", "row_rank")),
        Config(FileRule.MissingKey, "\"ternary_p\" is missing", Edited("normal", "ternary")),
        Config(FileRule.FactorFormat, "expected factor_format 1, found 2", Edited("\"factor_format\": 1", "\"factor_format\": 2")),
        Config(FileRule.FactorFormat, "found \"1\"", Edited("\"factor_format\": 1", "\"factor_format\": \"1\"")),
        Config(FileRule.KeyValue, "must be an object, found a list", "[]"),
        Config(FileRule.KeyValue, "\"peft_type\" must be a string, found 1", "{\"peft_type\": 1}"),
        Config(FileRule.KeyValue, "\"seed\" must be an integer from 0 to 2^64-1, found -1", Edited("\"seed\": 42", "\"seed\": -1")),
        Config(FileRule.KeyValue, "found 18446744073709551616", Edited("\"seed\": 42", "\"seed\": 18446744073709551616")),
        Config(FileRule.KeyValue, "found 42.0", Edited("\"seed\": 42", "\"seed\": 42.0")),
        Config(FileRule.KeyValue, "\"scale\" must be a number that is finite in float32, found 1e999", Edited("\"scale\": 1.0", "\"scale\": 1e999")),
        Config(FileRule.KeyValue, "\"scale\" must be a number that is finite in float32, found 1e39", Edited("\"scale\": 1.0", "\"scale\": 1e39")),
        Config(FileRule.KeyValue, "normal, uniform, rademacher or ternary, found \"gauss\"", Edited("normal", "gauss")),
        Config(FileRule.KeyValue, "\"ternary_p\" must be absent with distribution \"normal\"", Edited("\"seed\"", "\"ternary_p\": 0.1, \"seed\"")),
        Config(FileRule.KeyValue, "\"ternary_p\" must be a probability", Edited("\"normal\"", "\"ternary\", \"ternary_p\": 0.6")),
        Config(FileRule.KeyValue, "\"target_modules\" must be a list of strings, found \"all-linear\"", FormatFixtures.Config(FormatFixtures.GoodConfig).With("target_modules", "all-linear").ToUtf8()),
        Config(FileRule.KeyValue, "\"shapes\" must be an object", FormatFixtures.Config(FormatFixtures.GoodConfig).With("shapes", 1ul).ToUtf8()),
        Config(FileRule.KeyValue, "found the key \"012x6\"", Edited("12x6", "012x6")),
        Config(FileRule.KeyValue, "found the key \"12\"", Edited("12x6", "12")),
        Config(FileRule.KeyValue, "found the key \"12x0\"", Edited("12x6", "12x0")),
        Config(FileRule.KeyValue, "shapes[\"12x6\"].row_ranks", Edited("        5", "        5.5")),
        Config(FileRule.KeyValue, "shapes[\"12x6\"]", Edited("        5", "        0")),
        Config(FileRule.ModesProduct, "row_modes in shapes[\"13x6\"] must be 13, the output features, found 12 = 12", Edited("12x6", "13x6")),
        Config(FileRule.ModesProduct, "col_modes in shapes[\"12x7\"] must be 7, the input features, found 2*3 = 6", Edited("12x6", "12x7")),
        Config(FileRule.DuplicateModule, "\"c\" twice", Edited("\"a.b\"", "\"c\"")),
    ];

    private static readonly TestCaseData[] AdapterCases =
    [
        Adapter(FileRule.MissingTensor, "\"base_model.model.a.b.tera_col.1\" of shape [2]", tensors => tensors.Remove("base_model.model.a.b.tera_col.1")),
        Adapter(FileRule.MissingTensor, "\"base_model.model.c.tera_row.0\" of shape [5]", tensors => RemoveModule(tensors, "c")),
        Adapter(FileRule.UnknownTensor, "\"base_model.model.d.tera_row.0\"", tensors => Put(tensors, "base_model.model.d.tera_row.0", 5)),
        Adapter(FileRule.UnknownTensor, "\"base_model.model.c.tera_row.1\"", tensors => Put(tensors, "base_model.model.c.tera_row.1", 5)),
        Adapter(FileRule.UnknownTensor, "\"base_model.model.c.tera_row.00\"", tensors => Put(tensors, "base_model.model.c.tera_row.00", 5)),
        Adapter(FileRule.UnknownTensor, "\"base_model.model.c.lora_A.weight\"", tensors => Put(tensors, "base_model.model.c.lora_A.weight", 5)),
        Adapter(FileRule.UnknownTensor, "\"c.tera_row.0\"", tensors => Put(tensors, "c.tera_row.0", 5)),
        Adapter(FileRule.ShapeMismatch, "of shape [5] for row_ranks [5] of shapes[\"12x6\"], found shape [6]", tensors => Put(tensors, "base_model.model.c.tera_row.0", 6)),
        Adapter(FileRule.ShapeMismatch, "found shape [1, 5]", tensors => Put(tensors, "base_model.model.c.tera_row.0", 1, 5)),
        Adapter(FileRule.WrongDType, "must be F32, found BF16", tensors => tensors["base_model.model.c.tera_row.0"] = FormatFixtures.Zeros("base_model.model.c.tera_row.0", SafetensorsDType.BF16, 5)),
    ];

    private static readonly TestCaseData[] OtherCases =
    [
        Other(FileRule.JsonKeys, "at most 262144 tensors", _ => FormatFixtures.Parse(FormatFixtures.File(ManyTensors(262_145)))),
        Other(FileRule.ConfigTooLarge, "at most 67108864 bytes, found 67108865", folder =>
        {
            using (FileStream file = File.Create(folder["big.json"]))
            {
                file.SetLength((64L << 20) + 1);
            }

            AdapterConfig.Load(folder["big.json"]);
        }),
        Other(FileRule.MissingFile, "found no adapter_config.json", folder => TeraAdapter.Load(folder.Root)),
        Other(FileRule.UnmatchedTarget, "\"k\" of target_modules matches no module", folder => Open(folder, PeftFixtures.With(PeftFixtures.Lora, "target_modules", """["q","v","k"]"""))),
        Other(FileRule.Unsupported, "DoRA (use_dora)", folder => Open(folder, PeftFixtures.With(PeftFixtures.Lora, "use_dora", "true"))),
        Other(FileRule.MissingBases, "no \"base_model.vera_A\"", folder => Open(folder, PeftFixtures.With(PeftFixtures.Vera, "save_projection", "true"), PeftFixtures.VeraTensors())),
        Other(FileRule.DifferentCopies, "\"base_model.vera_A\" and \"base_model.model.m.q.vera_A\" differ", folder => Open(folder, PeftFixtures.Vera, VeraWithTwoBases())),
        Other(FileRule.CheckpointIndex, "leaves out \"m.v.weight\"", folder =>
        {
            SafetensorsWriter.Write(folder["a"], [PeftFixtures.Random("m.q.weight", 6, 4), PeftFixtures.Random("m.v.weight", 3, 5)]);
            File.WriteAllText(folder["a.index.json"], """{"weight_map":{"m.q.weight":"a"}}""");
            Checkpoint.Open(folder["a.index.json"]);
        }),
        Other(FileRule.AlreadyMerged, "merging it again would double its change", folder => MergeAndThen(folder, () => CheckpointMerge.Merge(folder["merged"], folder["adapter"], folder["twice"]))),
        Other(FileRule.NotMerged, "last merged adapter is none", folder => MergeAndThen(folder, () => CheckpointMerge.Unmerge(folder["base"], folder["backup"], folder["out"]))),
        Other(FileRule.BackupUnchecked, "found none", folder => MergeAndThen(folder, () => UnmergeFrom(folder, name => name == MergeBackup.AdapterKey, 0))),
        Other(FileRule.BackupDamaged, "as it was before the merge", folder => MergeAndThen(folder, () => UnmergeFrom(folder, _ => true, 1))),
        Other(FileRule.WeightChanged, "as the merge wrote it", folder => MergeAndThen(folder, () =>
        {
            byte[] merged = File.ReadAllBytes(folder["merged"]);
            using (SafetensorsFile file = SafetensorsFile.Open(folder["merged"]))
            {
                merged.AsSpan(merged.AsSpan().IndexOf(file.Bytes("m.q.weight")))[0] ^= 1;
            }

            File.WriteAllBytes(folder["merged"], merged);
            CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["out"]);
        })),
        Other(FileRule.MissingFile, "a pickle", folder =>
        {
            File.WriteAllText(folder["adapter_config.json"], FormatFixtures.GoodConfig);
            File.WriteAllText(folder["adapter_model.bin"], "");
            TeraAdapter.Load(folder.Root);
        }),
        Other(FileRule.MissingFile, "found a folder", folder => SafetensorsFile.Open(folder.Root)),
        Other(FileRule.MissingTensor, "expected a tensor \"x\", found 2 others, such as \"base_model.model.fc0.lora_A.weight\"", _ => OpenData(file => file.Bytes("x"))),
        Other(FileRule.WrongDType, "\"n\" has dtype I64; expected F64, F32, BF16 or F16", folder =>
        {
            SafetensorsWriter.Write(folder["n"], [FormatFixtures.Zeros("n", SafetensorsDType.I64, 2)]);
            using SafetensorsFile file = SafetensorsFile.Open(folder["n"]);
            file.ReadSingles("n");
        }),
        Other(FileRule.MissingModule, "\"c\", which the base model lacks", _ => FormatFixtures.Adapter().Match(new Dictionary<string, LayerSize> { ["a.b"] = new(12, 6) })),
        Other(FileRule.MissingShape, "\"c\" is 6x12 in the base model, but the key \"shapes\" has only 12x6", _ => FormatFixtures.Adapter().UpdateFor("c", 6, 12)),
        Other(FileRule.MissingTensor, "no vectors for module \"d\"", _ => FormatFixtures.Adapter().UpdateFor("d", 12, 6)),
    ];

    [TestCaseSource(nameof(HeaderCases))]
    public void A_broken_header_is_refused_by_its_rule(string rule, string words, byte[] file) =>
        AssertRule(rule, words, "memory", () => FormatFixtures.Parse(file));

    [TestCaseSource(nameof(HeaderCases))]
    public void A_broken_file_is_refused_by_the_same_rule(string rule, string words, byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        string path = folder["broken.safetensors"];
        File.WriteAllBytes(path, bytes);
        AssertRule(rule, words, path, () => SafetensorsFile.Open(path));

        // The refusal has let go of the file.
        File.Delete(path);
    }

    [TestCaseSource(nameof(ConfigCases))]
    public void A_broken_configuration_is_refused_by_its_rule(string rule, string words, byte[] json) =>
        AssertRule(rule, words, "adapter_config.json", () => TeraConfig.From(AdapterConfig.Parse(json, "adapter_config.json")));

    [TestCaseSource(nameof(AdapterCases))]
    public void A_broken_adapter_is_refused_by_its_rule(string rule, string words, Action<Dictionary<string, SafetensorsSource>> change)
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = FormatFixtures.AdapterTensors();
        FormatFixtures.WriteAdapter(folder.Root, FormatFixtures.GoodConfig, tensors.Values);
        Assert.That(() => TeraAdapter.Load(folder.Root), Throws.Nothing);
        change(tensors);
        FormatFixtures.WriteAdapter(folder.Root, FormatFixtures.GoodConfig, tensors.Values);
        AssertRule(rule, words, folder["adapter_model.safetensors"], () => TeraAdapter.Load(folder.Root));
    }

    [TestCaseSource(nameof(OtherCases))]
    public void Every_other_rule_is_named_too(string rule, string words, object action)
    {
        using var folder = new TemporaryFolder();
        AssertRule(rule, words, string.Empty, () => ((Action<TemporaryFolder>)action)(folder));
    }

    [Test]
    public void No_rule_is_without_a_case()
    {
        IEnumerable<object?> rules = typeof(FileRule).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => field.GetRawConstantValue());
        IEnumerable<object?> cases = HeaderCases.Concat(ConfigCases).Concat(AdapterCases).Concat(OtherCases).Select(one => one.Arguments[0]);
        Assert.That(cases.Distinct(), Is.EquivalentTo(rules));
    }

    private static void AssertRule(string rule, string words, string path, Action action)
    {
        FileFormatException? error = Assert.Throws<FileFormatException>(() => action());
        Assert.Multiple(() =>
        {
            Assert.That(error!.Rule, Is.EqualTo(rule), error.Message);
            Assert.That(error.Message, Does.Contain(words));
            Assert.That(error.Message, Does.StartWith(error.Path + ": "));
            Assert.That(error.Path, path.Length == 0 ? Is.Not.Empty : Is.EqualTo(path));
        });
    }

    private static void Open(TemporaryFolder folder, string config, Dictionary<string, SafetensorsSource>? tensors = null) =>
        Kernels.Adapter.Load(PeftFixtures.WriteAdapter(folder, config, (tensors ?? PeftFixtures.LoraTensors()).Values)).Dispose();

    private static Dictionary<string, SafetensorsSource> VeraWithTwoBases()
    {
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.VeraTensors();
        foreach (string name in new[] { "base_model.vera_A", "base_model.model.m.q.vera_A" })
        {
            tensors[name] = PeftFixtures.Random(name, 3, 5);
        }

        tensors["base_model.vera_B"] = PeftFixtures.Random("base_model.vera_B", 6, 3);
        return tensors;
    }

    private static void MergeAndThen(TemporaryFolder folder, Action action)
    {
        PeftFixtures.WriteBase(folder["base"]);
        PeftFixtures.WriteAdapter(folder, PeftFixtures.Lora, PeftFixtures.LoraTensors().Values);
        CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
        action();
    }

    /// <summary>Unmerges from the backup, written again with some of its metadata and so many added to the last byte of each tensor.</summary>
    private static void UnmergeFrom(TemporaryFolder folder, Func<string, bool> keep, byte added)
    {
        using (SafetensorsFile backup = SafetensorsFile.Open(folder["backup"]))
        {
            SafetensorsWriter.Write(folder["again"], backup.Tensors.Values.Select(entry => SafetensorsSource.From(entry.Name, entry.DType, stream =>
            {
                byte[] bytes = backup.Bytes(entry.Name).ToArray();
                bytes[^1] += added;
                stream.Write(bytes);
            }, entry.Shape.AsSpan())), backup.Metadata.Where(pair => keep(pair.Key)).ToDictionary());
        }

        CheckpointMerge.Unmerge(folder["merged"], folder["again"], folder["out"]);
    }

    private static TestCaseData Header(string rule, string words, byte[] file, int cut = 7) =>
        new TestCaseData(rule, words, file.Length == 0 ? new byte[cut] : file).SetArgDisplayNames(rule, words);

    private static TestCaseData Config(string rule, string words, string json) => Config(rule, words, Encoding.UTF8.GetBytes(json));

    private static TestCaseData Config(string rule, string words, byte[] json) => new TestCaseData(rule, words, json).SetArgDisplayNames(rule, words);

    private static TestCaseData Adapter(string rule, string words, Action<Dictionary<string, SafetensorsSource>> change) =>
        new TestCaseData(rule, words, change).SetArgDisplayNames(rule, words);

    private static TestCaseData Other(string rule, string words, Action<TemporaryFolder> action) =>
        new TestCaseData(rule, words, action).SetArgDisplayNames(rule, words);

    private static byte[] Claim(ulong headerLength) => [.. BitConverter.GetBytes(headerLength), (byte)'{', (byte)'}'];

    private static byte[] Shaped(string shape) => FormatFixtures.File($"{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,8]}}}}", 8);

    private static byte[] Placed(string offsets, int data = 8) => FormatFixtures.File($"{{\"a\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}}}}", data);

    private static byte[] Two(string offsets, int data) =>
        FormatFixtures.File($"{{\"b\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}},\"a\":{{{Entry}}}}}", data);

    private static string Edited(string old, string with) => FormatFixtures.GoodConfig.Contains(old, StringComparison.Ordinal)
        ? FormatFixtures.GoodConfig.Replace(old, with, StringComparison.Ordinal)
        : throw new ArgumentException($"The good configuration has no {old}; this case would test nothing.", nameof(old));

    private static byte[] Without(string key) => FormatFixtures.Config(FormatFixtures.GoodConfig).Without(key).ToUtf8();

    private static void Put(Dictionary<string, SafetensorsSource> tensors, string name, params long[] shape) =>
        tensors[name] = FormatFixtures.Zeros(name, SafetensorsDType.F32, shape);

    private static void RemoveModule(Dictionary<string, SafetensorsSource> tensors, string module)
    {
        foreach (string name in tensors.Keys.Where(name => name.StartsWith($"base_model.model.{module}.", StringComparison.Ordinal)).ToArray())
        {
            tensors.Remove(name);
        }
    }

    private static string ManyTensors(int count) =>
        "{" + string.Join(',', Enumerable.Range(0, count).Select(i => $"\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")) + "}";

    private static void OpenData(Action<SafetensorsFile> use)
    {
        using SafetensorsFile file = SafetensorsFile.Open(FormatFixtures.Data("lora-square/adapter_model.safetensors"));
        use(file);
    }
}
