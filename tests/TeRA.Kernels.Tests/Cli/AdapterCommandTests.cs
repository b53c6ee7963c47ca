using System.Diagnostics;
using System.Text.Json.Nodes;
using NUnit.Framework;
using TeRA.Kernels.Cli;
using TeRA.Kernels.Tests.Formats.Peft;

namespace TeRA.Kernels.Tests.Cli;

/// <summary><c>tera inspect</c>, <c>convert</c>, <c>merge</c>, and <c>apply</c> on adapters that PEFT wrote.</summary>
[NonParallelizable]
public class AdapterCommandTests
{
    private static string[] Golden => PeftFixtures.Golden;

    [TestCaseSource(nameof(Golden))]
    public void Apply_gives_what_PEFT_gave(string name)
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder(name);
        CommandLine run = Apply(folder, golden, golden);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(golden, "io.safetensors")), actual = SafetensorsFile.Open(folder["out"]);
        string[] names = [.. expected.Tensors.Keys.Where(key => !key.EndsWith(".x", StringComparison.Ordinal) && !key.EndsWith(".dy", StringComparison.Ordinal) && !key.EndsWith(".delta", StringComparison.Ordinal))];
        Assert.That(actual.Tensors.Keys, Is.EquivalentTo(names));
        foreach (string tensor in names)
        {
            // The golden fixture judges each number by its own terms; here the files are compared as a user would.
            float[] values = expected.ReadSingles(tensor);
            Assert.That(actual.ReadSingles(tensor), Is.EqualTo(values).Within(3e-6 * values.Max(Math.Abs)), tensor);
        }

        Assert.That(run.Errors.Contains("note: the frozen bases are not in the file", StringComparison.Ordinal), Is.EqualTo(name.EndsWith("noproj", StringComparison.Ordinal)));
    }

    [Test]
    public void Inspect_tells_what_is_there_and_how_it_fits()
    {
        string golden = PeftFixtures.Folder("randlora-mixed-noproj");
        CommandLine run = CommandLine.Run("inspect", golden, "--base", Path.Combine(golden, "base.safetensors"), "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        JsonNode json = run.Json;
        Assert.Multiple(() =>
        {
            Assert.That((string?)json["type"], Is.EqualTo("RANDLORA"));
            Assert.That((long)json["trained_numbers"]!, Is.EqualTo(562));
            Assert.That(json["modules"]!.AsArray().Select(module => (string?)module), Is.EqualTo(new[] { "fc0", "fc1", "fc2" }));
            Assert.That((long)json["fitted"]![2]!["rank_bound"]!, Is.EqualTo(40));
            Assert.That(json["problems"]!.AsArray(), Is.Empty);
            Assert.That((string?)json["notes"]![0], Does.Contain("projection_prng_key 5"));
            Assert.That(run.Errors, Does.Contain("base_model.model.fc2.randlora_gamma"));
        });
    }

    [Test]
    public void Inspect_lists_every_problem_and_exits_with_3()
    {
        using var folder = new TemporaryFolder();
        Dictionary<string, SafetensorsSource> tensors = PeftFixtures.LoraTensors();
        tensors.Remove("base_model.model.m.v.lora_B.weight");
        Kernels.Tests.Formats.FormatFixtures.WriteAdapter(folder["adapter"], PeftFixtures.Lora, [.. tensors.Values, PeftFixtures.Random("odd", 2)]);
        CommandLine run = CommandLine.Run("inspect", folder["adapter"], "--json");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.BadInput));
        Assert.That(run.Json["problems"]!.AsArray().Select(problem => (string?)problem!["rule"]), Is.EqualTo(new[] { "missing-tensor", "unknown-tensor" }));
    }

    [Test]
    public void Vera_converted_to_Lora_gives_the_same_outputs()
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder("vera-mixed-noproj");
        CommandLine run = CommandLine.Run("convert", golden, "--to", "lora", "--base", Path.Combine(golden, "base.safetensors"), "--out", folder["lora"], "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That((string?)run.Json["to"], Is.EqualTo("LORA"));
        Assert.That(Apply(folder, golden, folder["lora"]).ExitCode, Is.Zero);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(golden, "io.safetensors")), actual = SafetensorsFile.Open(folder["out"]);
        foreach (string tensor in new[] { "fc0.y", "fc1.y", "fc2.y", "fc0.dx", "fc1.dx", "fc2.dx" })
        {
            float[] values = expected.ReadSingles(tensor);
            Assert.That(actual.ReadSingles(tensor), Is.EqualTo(values).Within(3e-6 * values.Max(Math.Abs)), tensor);
        }
    }

    [TestCase("vera-mixed-noproj")]
    [TestCase("randlora-mixed-noproj")]
    [TestCase("randlora-sparse-noproj")]
    public void Bases_can_be_put_into_the_file(string name)
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder(name);
        CommandLine run = CommandLine.Run("convert", golden, "--with-bases", "--base", Path.Combine(golden, "base.safetensors"), "--out", folder["full"]);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        CommandLine apply = Apply(folder, golden, folder["full"]);
        Assert.That(apply.ExitCode, Is.Zero, apply.Errors);
        Assert.That(apply.Errors, Does.Not.Contain("note:"));
    }

    [Test]
    public void What_is_there_is_not_replaced_by_any_command_and_that_is_a_mistake_of_usage()
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder("lora-square"), model = Path.Combine(golden, "base.safetensors");
        File.WriteAllText(folder["there"], "mine");
        Directory.CreateDirectory(folder["adapter"]);
        File.WriteAllText(Path.Combine(folder["adapter"], "adapter_config.json"), "mine");
        string[][] commands =
        [
            ["apply", "--base", model, "--adapter", golden, "--input", Path.Combine(golden, "io.safetensors"), "--output", folder["there"]],
            ["merge", "--base", model, "--adapter", golden, "--out", folder["there"]],
            ["merge", "--base", model, "--adapter", golden, "--out", folder["merged"], "--backup", folder["there"]],
            ["merge", "--base", model, "--adapter", golden, "--out", folder["same"], "--backup", folder["same"]],
            ["merge", "--base", model, "--adapter", golden, "--out", folder["merged"], "--backup", model, "--force"],
            ["convert", golden, "--out", folder["adapter"]],
        ];
        Assert.Multiple(() =>
        {
            foreach (string[] command in commands)
            {
                CommandLine run = CommandLine.Run(command);
                Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage), string.Join(' ', command) + run.Errors);
            }

            Assert.That(File.ReadAllText(folder["there"]), Is.EqualTo("mine"));
            Assert.That(File.Exists(folder["merged"]) || File.Exists(folder["same"]), Is.False);
            Assert.That(Directory.GetFiles(folder["adapter"]), Has.Length.EqualTo(1));
        });
    }

    [TestCase("randlora-square", "--to lora --base {base}", "rank up to 48")]
    [TestCase("vera-square", "--to lora", "--base")]
    [TestCase("lora-square", "--to vera", "LORA can be written as LORA")]
    [TestCase("lora-square", "--with-bases", "only VERA and RANDLORA")]
    [TestCase("vera-square", "--to lora --with-bases --base {base}", "only VERA and RANDLORA")]
    public void What_can_not_be_converted_is_refused_with_the_reason(string name, string arguments, string reason)
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder(name);
        string[] more = arguments.Replace("{base}", Path.Combine(golden, "base.safetensors"), StringComparison.Ordinal).Split(' ');
        CommandLine run = CommandLine.Run(["convert", golden, "--out", folder["x"], .. more]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage));
        Assert.That(run.Errors, Does.Contain(reason));
        Assert.That(Directory.Exists(folder["x"]), Is.False);
    }

    [TestCaseSource(nameof(Golden))]
    public void Merged_weights_give_the_adapters_outputs_and_come_back_bit_for_bit(string name)
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder(name), model = Path.Combine(golden, "base.safetensors");
        CommandLine run = CommandLine.Run("merge", "--base", model, "--adapter", golden, "--out", folder["merged"], "--backup", folder["backup"], "--device", "cpu", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        double changed = 0, count = 0;
        using (SafetensorsFile merged = SafetensorsFile.Open(folder["merged"]), before = SafetensorsFile.Open(model), io = SafetensorsFile.Open(Path.Combine(golden, "io.safetensors")))
        {
            foreach (JsonNode? layer in run.Json["layers"]!.AsArray())
            {
                string module = (string)layer!["module"]!;
                float[] w0 = before.ReadSingles(module + ".weight"), delta = io.ReadSingles(module + ".delta");
                Assert.That(merged.ReadSingles(module + ".weight"), Is.EqualTo(w0.Zip(delta).Select(pair => pair.First + pair.Second)).Within(1e-6));
                Assert.That((double)layer["largest_delta"]!, Is.EqualTo(delta.Max(Math.Abs)).Within(1e-6));
                changed += merged.ReadSingles(module + ".weight").Zip(w0).Count(pair => pair.First != pair.Second);
                count += w0.Length;
            }
        }

        // Not all of them: sparse bases leave some weights as they are.
        Assert.That((double)run.Json["changed_share"]!, Is.EqualTo(changed / count).Within(1e-12).And.GreaterThan(0.8));

        CommandLine twice = CommandLine.Run("merge", "--base", folder["merged"], "--adapter", golden, "--out", folder["twice"], "--device", "cpu");
        Assert.That(twice.ExitCode, Is.EqualTo(ExitCodes.BadInput));
        Assert.That(twice.Errors, Does.Contain("already holds"));
        CommandLine back = CommandLine.Run("merge", "--base", folder["merged"], "--unmerge", folder["backup"], "--out", folder["restored"], "--json");
        Assert.That(back.ExitCode, Is.Zero, back.Errors);
        using SafetensorsFile restored = SafetensorsFile.Open(folder["restored"]), original = SafetensorsFile.Open(model);
        foreach (string tensor in original.Tensors.Keys)
        {
            Assert.That(restored.Bytes(tensor).SequenceEqual(original.Bytes(tensor)), tensor);
        }
    }

    [Test]
    public void A_checkpoint_of_several_files_is_merged_and_taken_apart_again_with_progress_to_its_end()
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder("randlora-mixed");
        string[] names = WriteShards(Path.Combine(golden, "base.safetensors"), folder["shards"]);
        CommandLine run = CommandLine.Run("merge", "--base", folder["shards"], "--adapter", golden, "--out", folder["merged"], "--backup", folder["backup"], "--device", "cpu");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That(run.Errors, Does.Match("writing [1-9]0% ").And.Contain("writing done "));
        CommandLine back = CommandLine.Run("merge", "--base", folder["merged"], "--unmerge", folder["backup"], "--out", folder["restored"]);
        Assert.That(back.ExitCode, Is.Zero, back.Errors);
        Assert.That(back.Errors, Does.Contain("writing done "));
        foreach (string name in names)
        {
            Assert.That(File.ReadAllBytes(Path.Combine(folder["restored"], name)), Is.EqualTo(File.ReadAllBytes(Path.Combine(folder["shards"], name))), name);
        }
    }

    [Test]
    public void A_merge_that_the_weights_dtype_swallows_is_warned_of()
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["base"], new[] { ("m.q.weight", 6, 4), ("m.v.weight", 3, 5) }.Select(weight =>
            SafetensorsSource.From(weight.Item1, Enumerable.Repeat((BFloat16)100, weight.Item2 * weight.Item3).ToArray(), weight.Item2, weight.Item3)));
        Kernels.Tests.Formats.FormatFixtures.WriteAdapter(folder["adapter"], PeftFixtures.With(PeftFixtures.Lora, "lora_alpha", "0.01"), PeftFixtures.LoraTensors().Values);
        CommandLine run = CommandLine.Run("merge", "--base", folder["base"], "--adapter", folder["adapter"], "--out", folder["merged"], "--device", "cpu", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That((double)run.Json["changed_share"]!, Is.Zero);
        Assert.That(run.Errors, Does.Contain("warning: bfloat16 rounds most of the update of m.q away").And.Contain("0.0% of their numbers changed"));
    }

    /// <summary>A process of its own, ended by Ctrl-C's signal while it writes.</summary>
    [Test]
    [Platform("Linux")]
    public void An_interrupted_merge_leaves_no_file_and_exits_with_130()
    {
        if (Interrupt.IsIgnored)
        {
            Assert.Ignore("SIGINT is ignored here, as in a background job of a shell, and a process started from here would ignore it, too.");
        }

        using var folder = new TemporaryFolder();
        const int Layers = 48, Size = 768;
        SafetensorsWriter.Write(folder["base"], Enumerable.Range(0, Layers).Select(i => PeftFixtures.Random($"m{i}.q.weight", Size, Size)));
        Kernels.Tests.Formats.FormatFixtures.WriteAdapter(folder["adapter"], PeftFixtures.With(PeftFixtures.Lora, "target_modules", """["q"]"""), Enumerable.Range(0, Layers).SelectMany(i => new[]
        {
            PeftFixtures.Random($"base_model.model.m{i}.q.lora_A.weight", 2, Size), PeftFixtures.Random($"base_model.model.m{i}.q.lora_B.weight", Size, 2),
        }));
        string[] arguments = [typeof(Program).Assembly.Location, "merge", "--base", folder["base"], "--adapter", folder["adapter"], "--out", folder["merged"], "--backup", folder["backup"], "--device", "cpu"];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
        Assert.That(() => Directory.GetFiles(folder[""], "merged.*.tmp"), Is.Not.Empty.After(30).Seconds.PollEvery(5).MilliSeconds);
        Interrupt.Send(process);
        Assert.That(process.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.That(process.ExitCode, Is.EqualTo(ExitCodes.Interrupted), errors.Result);
        Assert.That(errors.Result, Does.Contain("interrupted; nothing half-written is left behind"));
        Assert.That(output.Result, Is.Empty);
        Assert.That(Directory.GetFileSystemEntries(folder[""]).Select(Path.GetFileName), Is.EquivalentTo(new[] { "base", "adapter" }));
    }

    [Test]
    public void A_damaged_backup_is_a_bad_file_and_its_name_is_said()
    {
        using var folder = new TemporaryFolder();
        string golden = PeftFixtures.Folder("lora-square"), model = Path.Combine(golden, "base.safetensors");
        Assert.That(CommandLine.Run("merge", "--base", model, "--adapter", golden, "--out", folder["merged"], "--backup", folder["backup"], "--device", "cpu").ExitCode, Is.Zero);
        byte[] bytes = File.ReadAllBytes(folder["backup"]);
        bytes[^1] ^= 1;
        File.WriteAllBytes(folder["backup"], bytes);
        foreach (string[] more in new string[][] { [], ["--unchecked"] })
        {
            CommandLine back = CommandLine.Run(["merge", "--base", folder["merged"], "--unmerge", folder["backup"], "--out", folder["restored"], .. more]);
            Assert.That(back.ExitCode, Is.EqualTo(ExitCodes.BadInput));
            Assert.That(back.Errors, Does.Contain(folder["backup"]).And.Contain("as it was before the merge"));
        }

        Assert.That(File.Exists(folder["restored"]), Is.False);
    }

    [TestCase("merge --base a --out b")]
    [TestCase("merge --base a --out b --adapter c --unmerge d")]
    [TestCase("merge --base a --out b --unmerge c --backup d")]
    [TestCase("merge --base a --out b --adapter c --unchecked")]
    [TestCase("inspect")]
    [TestCase("inspect nowhere --drawn-as float32")]
    public void Wrong_command_lines_exit_with_2(string line) =>
        Assert.That(CommandLine.Run(line.Split(' ')).ExitCode, Is.EqualTo(ExitCodes.Usage));

    /// <summary>Writes a checkpoint again as two files and an index; their names.</summary>
    private static string[] WriteShards(string model, string folder)
    {
        Directory.CreateDirectory(folder);
        using SafetensorsFile file = SafetensorsFile.Open(model);
        string[] tensors = [.. file.Tensors.Keys.Order(StringComparer.Ordinal)], names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        var map = new JsonObject();
        foreach ((string[] part, int i) in tensors.Chunk((tensors.Length + 1) / 2).Select((part, i) => (part, i)))
        {
            SafetensorsWriter.Write(Path.Combine(folder, names[i]), part.Select(name => SafetensorsSource.From(file, name)), file.Metadata);
            Array.ForEach(part, name => map[name] = names[i]);
        }

        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString());
        return [.. names, "model.safetensors.index.json"];
    }

    private static CommandLine Apply(TemporaryFolder folder, string golden, string adapter) => CommandLine.Run(
        "apply", "--base", Path.Combine(golden, "base.safetensors"), "--adapter", adapter, "--input", Path.Combine(golden, "io.safetensors"),
        "--output", folder["out"], "--grad", "--device", "cpu");
}
