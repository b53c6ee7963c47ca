using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>A backup that is damaged or not of this merge is refused by name; nothing of it is ever written.</summary>
[TestFixture]
internal sealed class MergeBackupTests
{
    private const string Query = "m.q.weight", Value = "m.v.weight";

    /// <summary>Damage to the backup, its rule, and words of the refusal.</summary>
    private static readonly TestCaseData[] DamagedBackups =
    [
        Case("two layers' bytes are exchanged", FileRule.BackupDamaged, Query, content => content.Exchange(Query, Value)),
        Case("two layers are exchanged with their hashes", FileRule.BackupDamaged, "seal", content =>
        {
            content.Exchange(Query, Value);
            string key = MergeBackup.TensorKey;
            (content.Metadata[key + Query], content.Metadata[key + Value]) = (content.Metadata[key + Value], content.Metadata[key + Query]);
        }),
        Case("a layer is missing", FileRule.BackupDamaged, Value, content => content.Tensors.Remove(Value)),
        Case("a layer is missing with its hashes", FileRule.BackupDamaged, "seal", content =>
        {
            content.Tensors.Remove(Value);
            content.Metadata.Remove(MergeBackup.TensorKey + Value);
        }),
        Case("a layer has another name", FileRule.BackupDamaged, Value, content =>
        {
            content.Tensors["m.o.weight"] = content.Tensors[Value];
            content.Tensors.Remove(Value);
        }),
        Case("a tensor too many", FileRule.BackupDamaged, "m.o.weight", content => content.Tensors["m.o.weight"] = content.Tensors[Value]),
        Case("another shape", FileRule.BackupDamaged, "seal", content => content.Tensors[Query] = content.Tensors[Query] with { Shape = [4, 6] }),
        Case("another dtype", FileRule.BackupDamaged, "seal", content => content.Tensors[Query] = content.Tensors[Query] with { DType = SafetensorsDType.U32 }),
        Case("another adapter's digest", FileRule.BackupDamaged, "seal", content => content.Metadata[MergeBackup.AdapterKey] = "sha256:" + new string('0', 64)),
        Case("no seal", FileRule.BackupDamaged, "seal", content => content.Metadata.Remove(MergeBackup.SealKey)),
        Case("the seal alone", FileRule.BackupDamaged, "m.", content =>
        {
            content.Metadata.Remove(MergeBackup.TensorKey + Query);
            content.Metadata.Remove(MergeBackup.TensorKey + Value);
        }),
        Case("no hashes", FileRule.BackupUnchecked, "--unchecked", content => content.RemoveHashes()),
        Case("no mark of a backup", FileRule.NotMerged, MergeBackup.AdapterKey, content => content.Metadata.Remove(MergeBackup.AdapterKey)),
    ];

    /// <summary>What may have happened to the merged checkpoint.</summary>
    private static readonly TestCaseData[] ChangedCheckpoints =
    [
        Case("two layers' bytes are exchanged", FileRule.WeightChanged, Query, content => content.Exchange(Query, Value)),
        Case("a layer is missing", FileRule.MissingTensor, Value, content => content.Tensors.Remove(Value)),
        Case("another shape", FileRule.ShapeMismatch, Query, content => content.Tensors[Query] = content.Tensors[Query] with { Shape = [4, 6] }),
        Case("another dtype", FileRule.ShapeMismatch, Query, content => content.Tensors[Query] = content.Tensors[Query] with { DType = SafetensorsDType.U32 }),
        Case("one number is another one", FileRule.WeightChanged, Value, content => content.Tensors[Value].Bytes[5] ^= 1),
        Case("another adapter lies over it", FileRule.NotMerged, "sha256:1111", content => content.Metadata[AdapterDigest.MergedKey] += " sha256:1111"),
    ];

    [TestCaseSource(nameof(DamagedBackups))]
    public void A_damaged_backup_is_refused(string rule, string words, object alter) => AssertRefused("backup", rule, words, (Action<Content>)alter);

    [TestCaseSource(nameof(ChangedCheckpoints))]
    public void A_checkpoint_that_changed_since_its_merge_is_refused(string rule, string words, object alter) => AssertRefused("merged", rule, words, (Action<Content>)alter);

    [Test]
    public void A_refusal_says_what_was_expected_and_what_was_found()
    {
        using TemporaryFolder folder = Merged();
        string old, now;
        using (SafetensorsFile before = SafetensorsFile.Open(folder["base"]), after = SafetensorsFile.Open(folder["merged"]))
        {
            (old, now) = (MergeBackup.HashOf(before, Query), MergeBackup.HashOf(after, Query));
        }

        // Each file in the place of the other: every byte is some layer's own, none is the one that belongs there.
        Rewrite(folder["backup"], content => content.Exchange(Query, Value));
        string other;
        using (SafetensorsFile backup = SafetensorsFile.Open(folder["backup"]))
        {
            other = MergeBackup.HashOf(backup, Query);
        }

        FileFormatException damaged = Refusal(folder);
        Rewrite(folder["merged"], content => content.Tensors[Query].Bytes[0] ^= 1);
        FileFormatException changed = Refusal(folder);
        Assert.Multiple(() =>
        {
            Assert.That(damaged.Path, Is.EqualTo(folder["backup"]));
            Assert.That(damaged.Message, Does.Contain($"expected \"{Query}\" as it was before the merge ({old}), found {other}"));
            Assert.That(changed.Path, Is.EqualTo(folder["merged"]));
            Assert.That(changed.Message, Does.Contain($"expected \"{Query}\" as the merge wrote it ({now}), found sha256:"));
        });
    }

    [Test]
    public void No_flipped_bit_of_the_backup_reaches_a_checkpoint()
    {
        using TemporaryFolder folder = Merged();
        byte[] sound = File.ReadAllBytes(folder["backup"]), original = File.ReadAllBytes(folder["base"]);
        int refused = 0;
        for (int i = 0; i < sound.Length; i++)
        {
            File.WriteAllBytes(folder["backup"], Flipped(sound, i));
            if (Unmerges(folder))
            {
                // Such as a letter of "format": "pt", which says nothing of the tensors.
                Assert.That(File.ReadAllBytes(folder["out"]), Is.EqualTo(original), $"byte {i}");
                File.Delete(folder["out"]);
            }
            else
            {
                refused++;
                Assert.That(File.Exists(folder["out"]), Is.False);
            }
        }

        Assert.That(refused, Is.GreaterThan(sound.Length - 16));
    }

    [Test]
    public void No_flipped_bit_of_a_merged_weight_goes_unseen()
    {
        using TemporaryFolder folder = Merged();
        byte[] sound = File.ReadAllBytes(folder["merged"]);
        Dictionary<string, byte[]> original = Content.Of(folder["base"]).Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.Bytes);
        int refused = 0;
        for (int i = 0; i < sound.Length; i++)
        {
            File.WriteAllBytes(folder["merged"], Flipped(sound, i));
            if (!Unmerges(folder))
            {
                refused++;
                continue;
            }

            // Tensors that the merge did not touch, and names of these, are the checkpoint's own affair.
            Dictionary<string, Stored> restored = Content.Of(folder["out"]).Tensors;
            Assert.That(restored[Query].Bytes, Is.EqualTo(original[Query]), $"byte {i}");
            Assert.That(restored[Value].Bytes, Is.EqualTo(original[Value]), $"byte {i}");
            File.Delete(folder["out"]);
        }

        Assert.That(refused, Is.GreaterThan(original[Query].Length + original[Value].Length));
    }

    [Test]
    public void A_backup_that_was_cut_short_is_refused_at_every_length()
    {
        using TemporaryFolder folder = Merged();
        byte[] sound = File.ReadAllBytes(folder["backup"]);
        for (int length = 0; length < sound.Length; length++)
        {
            File.WriteAllBytes(folder["backup"], sound[..length]);
            Assert.That(Unmerges(folder), Is.False, $"{length} bytes");
        }
    }

    [Test]
    public void A_missing_backup_is_named()
    {
        using TemporaryFolder folder = Merged();
        File.Delete(folder["backup"]);
        Assert.That(() => CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["out"]), Throws.InstanceOf<IOException>().With.Message.Contains(folder["backup"]));
        Assert.That(File.Exists(folder["out"]), Is.False);
    }

    [Test]
    public void A_backup_of_the_same_adapter_from_another_model_is_refused()
    {
        using TemporaryFolder folder = Merged(), other = Merged(first: 7);
        File.Copy(other["backup"], folder["backup"], overwrite: true);
        FileFormatException refusal = Refusal(folder);
        Assert.That(refusal.Rule, Is.EqualTo(FileRule.WeightChanged));
        Assert.That(refusal.Message, Does.Contain("another checkpoint"));
    }

    [Test]
    public void A_backup_of_another_adapter_is_refused()
    {
        using TemporaryFolder folder = Merged(), other = Merged(alpha: 3);
        File.Copy(other["backup"], folder["backup"], overwrite: true);
        Assert.That(Refusal(folder).Rule, Is.EqualTo(FileRule.NotMerged));
    }

    [Test]
    public void A_backup_without_hashes_is_put_back_only_when_that_is_allowed()
    {
        using TemporaryFolder folder = Merged();
        Rewrite(folder["backup"], content => content.RemoveHashes());
        Assert.That(Refusal(folder).Rule, Is.EqualTo(FileRule.BackupUnchecked));
        CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["out"], new MergeOptions { AllowUncheckedBackup = true });
        Assert.That(File.ReadAllBytes(folder["out"]), Is.EqualTo(File.ReadAllBytes(folder["base"])));
    }

    [Test]
    public void Hashes_that_are_there_are_checked_whatever_is_allowed()
    {
        using TemporaryFolder folder = Merged();
        Rewrite(folder["backup"], content => content.Tensors[Query].Bytes[3] ^= 0x80);
        Assert.That(Refusal(folder, new MergeOptions { AllowUncheckedBackup = true }).Rule, Is.EqualTo(FileRule.BackupDamaged));
    }

    [Test]
    public void A_backup_without_tensors_takes_nothing_out()
    {
        using TemporaryFolder folder = Merged();
        Rewrite(folder["backup"], content =>
        {
            content.RemoveHashes();
            content.Tensors.Clear();
        });
        Assert.That(Refusal(folder, new MergeOptions { AllowUncheckedBackup = true }).Rule, Is.EqualTo(FileRule.BackupDamaged));
    }

    [Test]
    public void A_damaged_backup_leaves_the_checkpoint_in_its_place_as_it_is()
    {
        using TemporaryFolder folder = Merged();
        Rewrite(folder["backup"], content => content.Tensors[Value].Bytes[3] ^= 1);
        byte[] before = File.ReadAllBytes(folder["merged"]);
        Assert.That(() => CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["merged"], new MergeOptions { Overwrite = true }), Throws.TypeOf<FileFormatException>());
        Assert.That(File.ReadAllBytes(folder["merged"]), Is.EqualTo(before));
        Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "backup", "base", "merged" }));
    }

    [Test]
    public void Merging_and_unmerging_in_place_again_and_again_does_not_drift()
    {
        using TemporaryFolder folder = Merged(dtype: SafetensorsDType.BF16);
        byte[] original = File.ReadAllBytes(folder["base"]), merged = File.ReadAllBytes(folder["merged"]);
        var replace = new MergeOptions { Overwrite = true, Backup = folder["backup"] };
        for (int cycle = 0; cycle < 100; cycle++)
        {
            CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["merged"], replace);
            Assert.That(File.ReadAllBytes(folder["merged"]), Is.EqualTo(original));
            CheckpointMerge.Merge(folder["merged"], folder["adapter"], folder["merged"], replace);
        }

        Assert.That(File.ReadAllBytes(folder["merged"]), Is.EqualTo(merged));
    }

    private static TestCaseData Case(string name, string rule, string words, Action<Content> alter) => new TestCaseData(rule, words, alter).SetArgDisplayNames(name);

    private static void AssertRefused(string file, string rule, string words, Action<Content> alter)
    {
        using TemporaryFolder folder = Merged();
        Rewrite(folder[file], alter);
        FileFormatException refusal = Refusal(folder);
        Assert.Multiple(() =>
        {
            Assert.That(refusal.Rule, Is.EqualTo(rule), refusal.Message);
            Assert.That(refusal.Message, Does.Contain(words));
            Assert.That(folder.Names, Is.EqualTo(new[] { "adapter", "backup", "base", "merged" }), "nothing is left behind");
        });
    }

    private static FileFormatException Refusal(TemporaryFolder folder, MergeOptions? options = null) =>
        Assert.Throws<FileFormatException>(() => CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["out"], options))!;

    private static bool Unmerges(TemporaryFolder folder)
    {
        try
        {
            CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["out"]);
            return true;
        }
        catch (FileFormatException)
        {
            return false;
        }
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        byte[] flipped = [.. bytes];
        flipped[at] ^= (byte)(1 << (at % 8));
        return flipped;
    }

    /// <summary>A base with two layers of one size, merged.</summary>
    private static TemporaryFolder Merged(int first = 0, int alpha = 6, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], [Weight(Query, first + 1, dtype), Weight(Value, first + 2, dtype), Weight("m.norm", first + 3, dtype)], new Dictionary<string, string> { ["custom"] = "kept" });
        PeftFixtures.WriteAdapter(folder, PeftFixtures.With(PeftFixtures.Lora, "lora_alpha", $"{alpha}"),
        [
            PeftFixtures.Random("base_model.model.m.q.lora_A.weight", 2, 4), PeftFixtures.Random("base_model.model.m.q.lora_B.weight", 6, 2),
            PeftFixtures.Random("base_model.model.m.v.lora_A.weight", 2, 4), PeftFixtures.Random("base_model.model.m.v.lora_B.weight", 6, 2),
        ]);
        CheckpointMerge.Merge(folder["base"], folder["adapter"], folder["merged"], new MergeOptions { Backup = folder["backup"] });
        return folder;
    }

    private static SafetensorsSource Weight(string name, int seed, SafetensorsDType dtype)
    {
        var random = new Random(seed);
        float[] values = [.. Enumerable.Range(0, 24).Select(_ => random.NextSingle() - 0.5f)];
        return dtype == SafetensorsDType.BF16
            ? SafetensorsSource.From(name, Array.ConvertAll(values, value => (BFloat16)value), 6, 4)
            : SafetensorsSource.From(name, values, 6, 4);
    }

    private static void Rewrite(string path, Action<Content> alter)
    {
        Content content = Content.Of(path);
        alter(content);
        content.Write(path);
    }

    private sealed record Stored(SafetensorsDType DType, long[] Shape, byte[] Bytes);

    /// <summary>A file's tensors and metadata, to be altered and written again.</summary>
    private sealed record Content(Dictionary<string, Stored> Tensors, Dictionary<string, string> Metadata)
    {
        public static Content Of(string path)
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            return new Content(file.Tensors.Values.ToDictionary(entry => entry.Name, entry => new Stored(entry.DType, [.. entry.Shape], file.Bytes(entry.Name).ToArray())), new(file.Metadata));
        }

        public void Exchange(string first, string second) => (Tensors[first], Tensors[second]) = (Tensors[second], Tensors[first]);

        public void RemoveHashes() => Metadata.Keys.Where(key => key == MergeBackup.SealKey || key.StartsWith(MergeBackup.TensorKey, StringComparison.Ordinal)).ToList().ForEach(key => Metadata.Remove(key));

        public void Write(string path) => SafetensorsWriter.Write(
            path, Tensors.Select(pair => SafetensorsSource.From(pair.Key, pair.Value.DType, stream => stream.Write(pair.Value.Bytes), pair.Value.Shape)), Metadata, overwrite: true);
    }
}
