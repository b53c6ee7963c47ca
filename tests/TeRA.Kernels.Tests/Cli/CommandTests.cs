using System.Text.Json.Nodes;
using NUnit.Framework;
using TeRA.Kernels.Cli;

namespace TeRA.Kernels.Tests.Cli;

/// <summary>The other commands: exit codes, JSON, what people read.</summary>
[NonParallelizable]
public class CommandTests
{
    [TestCase("nonsense")]
    [TestCase("finetune --epochs nonsense")]
    [TestCase("finetune --epochs 0")]
    [TestCase("plan --out 4 --in 4 --tokens 4 --rank 0")]
    [TestCase("finetune --distribution cauchy")]
    [TestCase("finetune --modes 256=17x15")]
    [TestCase("finetune --ranks 256=4")]
    [TestCase("finetune --modes 256")]
    [TestCase("plan --out 4096 --in 4096")]
    [TestCase("plan --out 4096 --in 4096 --tokens 1 --row-modes 3x5")]
    [TestCase("plan --out 0 --in 4096 --tokens 1")]
    [TestCase("plan --out 8 --in 8 --tokens 1 --dtype int4")]
    [TestCase("plan --out 8 --in 8 --tokens 1 --method magic")]
    [TestCase("devices --device quantum")]
    [TestCase("check --device quantum")]
    public void A_wrong_command_line_exits_with_2(string line)
    {
        CommandLine run = CommandLine.Run(line.Split(' '));
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage), run.Errors);
        Assert.That(run.Errors, Is.Not.Empty);
    }

    [Test]
    public void Asking_for_a_GPU_that_is_not_there_exits_with_4_and_names_the_paths_tried()
    {
        if (DeviceProbe.Run().DriverPath is not null)
        {
            Assert.Ignore("this machine has a CUDA driver");
        }

        CommandLine run = CommandLine.Run("check", "--device", "cuda");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.NoDevice));
        Assert.That(run.Errors, Does.Contain("libcuda"));
    }

    [Test]
    public void A_missing_file_exits_with_3()
    {
        CommandLine run = CommandLine.Run("apply", "--base", "no.safetensors", "--adapter", "nowhere", "--input", "no.safetensors", "--output", "out.safetensors");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.BadInput), run.Errors);
    }

    [Test]
    public void Help_names_every_command()
    {
        CommandLine run = CommandLine.Run("--help");
        Assert.That(run.ExitCode, Is.Zero);
        foreach (string command in new[] { "finetune", "apply", "inspect", "convert", "merge", "check", "plan", "devices" })
        {
            Assert.That(run.Output, Does.Contain(command));
        }
    }

    [Test]
    public void Devices_lists_the_CPU()
    {
        CommandLine run = CommandLine.Run("devices", "--json");
        Assert.That(run.ExitCode, Is.Zero);
        Assert.That((string?)run.Json["cpu"]!["name"], Is.EqualTo(CpuDevice.Shared.Name));
        Assert.That(run.Errors, Does.Contain("NVRTC"));
    }

    [TestCase("tera", 48)]
    [TestCase("lora", 131072)]
    [TestCase("lotr", 256)]
    [TestCase("randlora", 528384)]
    [TestCase("vera", 4352)]
    [TestCase("full", 16777216)]
    public void Plan_counts_what_trains(string method, long trained)
    {
        string[] rank = method == "tera" ? ["--rank", "512"] : [];
        CommandLine run = CommandLine.Run(["plan", "--out", "4096", "--in", "4096", "--tokens", "8192", "--device", "h100", "--method", method, "--json", .. rank]);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That((long)run.Json["trained_numbers"]!, Is.EqualTo(method == "tera" ? 48 : trained));
        Assert.That(run.Json["forward"]!["steps"]!.AsArray(), Is.Not.Empty);
        Assert.That((double)run.Json["predicted_seconds"]!, Is.Positive);
    }

    [TestCase("finetune --modes 255=5x51", "--modes: no layer has a side of 255; the network's are 64, 256, 10.")]
    [TestCase("finetune --ranks 256=4", "--ranks: 256 has 2 modes, but 1 ranks were given.")]
    public void Finetune_refuses_modes_before_it_trains(string line, string words)
    {
        CommandLine run = CommandLine.Run(line.Split(' '));
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage), run.Errors);
        Assert.That(run.Errors, Does.Contain(words).And.Not.Contain("pretraining"));
    }

    [TestCase("--method lora --row-modes 8x8", "--row-modes is for --method tera, found --method lora.")]
    [TestCase("--pairing peft", "--pairing is for --method randlora, found --method tera.")]
    [TestCase("--method vera --train-sides", "--train-sides is for --method lotr, found --method vera.")]
    [TestCase("--dtype float64", "float64 is computed on the CPU only")]
    [TestCase("--backward-path plain", "--backward-path: expected auto, merged or factored, found 'plain'.")]
    [TestCase("--contractions none", "--contractions: expected keep-narrow, keep or recompute, found 'none'.")]
    public void Plan_ignores_nothing(string options, string words)
    {
        CommandLine run = CommandLine.Run(["plan", "--out", "64", "--in", "64", "--tokens", "8", "--device", "h100", .. options.Split(' ')]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage), run.Errors);
        Assert.That(run.Errors, Does.Contain(words));
    }

    [Test]
    public void Plan_takes_what_a_layer_takes()
    {
        string[] line = ["plan", "--out", "96", "--in", "64", "--tokens", "512", "--device", "cpu", "--json", "--path", "merged", "--method", "lora", "--rank", "4"];
        Assert.That((string?)CommandLine.Run([.. line, "--backward-path", "factored"]).Json["path"], Is.EqualTo("merged+factored"));
        Assert.That((string?)CommandLine.Run(line).Json["path"], Is.EqualTo("merged"));
        string[] factored = ["plan", "--out", "96", "--in", "64", "--tokens", "512", "--device", "cpu", "--json", "--path", "factored", "--method", "lora", "--rank", "4"];
        Assert.That((long)CommandLine.Run(factored).Json["kept_bytes_per_context"]!, Is.Positive);
        Assert.That((long)CommandLine.Run([.. factored, "--contractions", "recompute"]).Json["kept_bytes_per_context"]!, Is.Zero);
    }

    [Test]
    public void Plan_says_where_scratch_lies()
    {
        CommandLine run = CommandLine.Run("plan", "--out", "4096", "--in", "4096", "--tokens", "4096", "--rank", "4096", "--device", "h100", "--json");
        foreach ((string pass, string output) in new[] { ("forward", "Y"), ("backward", "dX") })
        {
            var places = run.Json[pass]!["scratch"]!.AsArray().ToDictionary(buffer => (string)buffer!["name"]!, buffer => (string)buffer!["in"]!);
            Assert.That((places["W"], places["T"]), Is.EqualTo(("scratch", output)));
        }

        Assert.That((long)run.Json["scratch_bytes_shared_unaligned"]!, Is.GreaterThan((long)run.Json["scratch_bytes_shared"]!), "T takes all of Y");
    }

    [Test]
    public void An_unknown_dtype_is_refused_by_its_own_option()
    {
        CommandLine run = CommandLine.Run("inspect", "nowhere", "--drawn-as", "float8");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage));
        Assert.That(run.Errors, Does.Contain("--drawn-as: expected bfloat16 or float16, found 'float8'.").And.Not.Contain("--dtype"));
    }

    [TestCase("--method", "dora", "expected tera, randlora, vera, lotr, lora or full, found 'dora'")]
    [TestCase("--pairing", "other", "--pairing: expected paper or peft, found 'other'")]
    public void Plan_refuses_in_words(string option, string value, string words)
    {
        string[] method = option == "--pairing" ? ["--method", "randlora"] : [];
        CommandLine run = CommandLine.Run(["plan", "--out", "64", "--in", "64", "--tokens", "8", "--device", "h100", option, value, .. method]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage));
        Assert.That(run.Errors, Does.Contain(words));
    }

    [Test]
    public void Plan_tells_the_pairings_and_the_sides_apart()
    {
        string[] line = ["plan", "--out", "96", "--in", "64", "--tokens", "512", "--device", "h100", "--json"];
        Assert.That(CommandLine.Run([.. line, "--method", "randlora", "--pairing", "peft", "--rank", "8"]).Errors, Does.Contain("Right = 8 copies scaled by randlora_lambda, randlora_gamma"));
        Assert.That((long)CommandLine.Run([.. line, "--method", "lotr", "--rank", "4", "--train-sides"]).Json["trained_numbers"]!, Is.EqualTo(16 + (4 * (96 + 64))));
    }

    [Test]
    public void Finetune_compares_with_the_methods_asked_for()
    {
        using var folder = new TemporaryFolder();
        string[] line =
        [
            "finetune", "--device", "cpu", "--hidden", "64", "--epochs", "8", "--learning-rate", "0.05", "--pretrain-epochs", "6",
            "--method", "randlora", "vera", "lora", "lotr", "full", "--out", folder["adapters"], "--json",
        ];
        CommandLine run = CommandLine.Run(line);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        JsonArray rows = run.Json["methods"]!.AsArray();
        Assert.That(rows.Select(row => (string?)row!["method"]), Is.EqualTo(new[] { "base, frozen", "TeRA", "RandLoRA r=16", "VeRA r=64", "LoRA r=1", "LoTR core, frozen sides", "full fine-tuning" }));
        Assert.That(rows.Skip(1).Select(row => (double)row!["accuracy_new_task"]!), Is.All.GreaterThan((double)rows[0]!["accuracy_new_task"]! + 0.05), "each adapts");
        foreach ((string method, JsonNode? row) in new[] { "RANDLORA", "VERA", "LORA", "LOTR" }.Zip(rows.Skip(2)))
        {
            string adapter = (string)row!["adapter"]!;
            Assert.That((double)row["accuracy_reloaded"]!, Is.EqualTo((double)row["accuracy_new_task"]!), method);
            Assert.That((string?)CommandLine.Run("inspect", adapter, "--json").Json["type"], Is.EqualTo(method));
        }

        Assert.That(rows[^1]!["adapter"], Is.Null, "a full update is no adapter");
        Assert.That(CommandLine.Run("finetune", "--method", "tera").ExitCode, Is.EqualTo(ExitCodes.Usage), "TeRA is always there");
    }

    [Test]
    public void Check_reports_every_comparison()
    {
        CommandLine run = CommandLine.Run("check", "--device", "cpu", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That(run.Json["rows"]!.AsArray(), Has.Count.GreaterThan(1000));
        Assert.That((int)run.Json["failed"]!, Is.Zero);
    }

    [Test]
    public void Finetune_trains_saves_and_reads_back()
    {
        using var folder = new TemporaryFolder();
        string[] line = ["finetune", "--device", "cpu", "--hidden", "64", "--epochs", "8", "--learning-rate", "0.05", "--pretrain-epochs", "6", "--out", folder["adapter"], "--json"];
        CommandLine run = CommandLine.Run(line);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        JsonNode json = run.Json;
        JsonArray methods = json["methods"]!.AsArray();
        Assert.That((double)methods[0]!["accuracy_old_task"]!, Is.GreaterThan(0.9), "the base knows its own task");
        Assert.That((double)methods[0]!["accuracy_new_task"]!, Is.LessThan(0.3), "and fails the shifted one");
        Assert.That((double)methods[1]!["accuracy_new_task"]!, Is.GreaterThan((double)methods[0]!["accuracy_new_task"]! + 0.2), "TeRA adapts it");
        Assert.That((double)methods[1]!["accuracy_reloaded"]!, Is.EqualTo((double)methods[1]!["accuracy_new_task"]!));
        Assert.That(File.Exists(Path.Combine(folder["adapter"], "adapter_model.safetensors")));
        Assert.That(CommandLine.Run(line).ExitCode, Is.EqualTo(ExitCodes.Usage), "a second run does not overwrite");
    }

    [Test]
    public void Finetune_gives_the_same_numbers_again()
    {
        string[] line = ["finetune", "--device", "cpu", "--hidden", "32", "--epochs", "2", "--pretrain-epochs", "2", "--distribution", "ternary:0.25", "--json"];
        JsonArray first = CommandLine.Run(line).Json["methods"]!.AsArray(), second = CommandLine.Run(line).Json["methods"]!.AsArray();
        Assert.That(
            second.Select(method => (double?)method!["loss"]),
            Is.EqualTo(first.Select(method => (double?)method!["loss"])));
    }
}
