using NUnit.Framework;
using TeRA.Kernels.Formats;
using TeRA.Kernels.Tests.Cli;
using TeRA.Kernels.Tests.Mutants;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Bases that keep their weights inputs first (fan_in_fan_out): everything is as with the same base the usual way round, bit for bit.</summary>
internal sealed class TransposedBaseTests
{
    private static readonly string[] Golden = ["lora-square", "vera-mixed-noproj", "randlora-tall", "randlora-mixed"];

    [TestCaseSource(nameof(Golden))]
    public void Outputs_and_gradients_are_the_same(string name)
    {
        using var folder = new TemporaryFolder();
        (string model, string adapter) = Transpose(folder, name);
        Apply(Path.Combine(PeftFixtures.Folder(name), "base.safetensors"), PeftFixtures.Folder(name), folder["usual"]);
        Apply(model, adapter, folder["transposed"]);
        Assert.That(File.ReadAllBytes(folder["transposed"]), Is.EqualTo(File.ReadAllBytes(folder["usual"])));

        void Apply(string model, string adapter, string output)
        {
            CommandLine run = CommandLine.Run(
                "apply", "--base", model, "--adapter", adapter, "--input", Path.Combine(PeftFixtures.Folder(name), "io.safetensors"), "--output", output, "--grad", "--device", "cpu");
            Assert.That(run.ExitCode, Is.Zero, run.Errors);
        }
    }

    [TestCaseSource(nameof(Golden))]
    public void Merged_weights_stay_transposed_and_come_back(string name)
    {
        using var folder = new TemporaryFolder();
        (string model, string adapter) = Transpose(folder, name);
        CheckpointMerge.Merge(Path.Combine(PeftFixtures.Folder(name), "base.safetensors"), PeftFixtures.Folder(name), folder["usual"]);
        MergeReport report = CheckpointMerge.Merge(model, adapter, folder["merged"], new MergeOptions { Backup = folder["backup"] });
        CheckpointMerge.Unmerge(folder["merged"], folder["backup"], folder["back"]);
        using SafetensorsFile usual = SafetensorsFile.Open(folder["usual"]), merged = SafetensorsFile.Open(folder["merged"]);
        using SafetensorsFile before = SafetensorsFile.Open(model), back = SafetensorsFile.Open(folder["back"]);
        foreach (MergedLayer layer in report.Layers)
        {
            string weight = layer.Module + ".weight";
            Assert.That(merged.Entry(weight).Shape, Is.EqualTo(before.Entry(weight).Shape));
            Assert.That(AdapterFile.Transposed(merged.ReadSingles(weight), [.. merged.Entry(weight).Shape]), Is.EqualTo(usual.ReadSingles(weight)));
            Assert.That(back.ReadSingles(weight), Is.EqualTo(before.ReadSingles(weight)));
        }
    }

    [Test]
    public void The_flag_survives_a_conversion()
    {
        using var folder = new TemporaryFolder();
        (string model, string adapter) = Transpose(folder, "vera-mixed-noproj");
        CommandLine run = CommandLine.Run("convert", adapter, "--to", "lora", "--base", model, "--out", folder["lora"]);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using Adapter lora = Adapter.Load(folder["lora"]);
        Assert.That(lora.IsBaseTransposed);
    }

    [Test]
    public void A_base_the_usual_way_round_does_not_fit()
    {
        using var folder = new TemporaryFolder();
        using Adapter adapter = Adapter.Load(Transpose(folder, "vera-mixed-noproj").Adapter);
        using Checkpoint model = Checkpoint.Open(Path.Combine(PeftFixtures.Folder("vera-mixed-noproj"), "base.safetensors"));
        Assert.That(() => adapter.Bind(model.Modules()), Throws.TypeOf<FileFormatException>());
    }

    /// <summary>The golden base with its weights turned over, and the adapter that says so.</summary>
    private static (string Model, string Adapter) Transpose(TemporaryFolder folder, string name)
    {
        var adapter = new AdapterFile(PeftFixtures.Folder(name));
        adapter.Set("fan_in_fan_out", "true");
        adapter.Write(folder["adapter"]);
        using SafetensorsFile model = SafetensorsFile.Open(Path.Combine(PeftFixtures.Folder(name), "base.safetensors"));
        SafetensorsWriter.Write(folder["model"], model.Tensors.Values.Select(entry => entry.Shape.Length == 2
            ? SafetensorsSource.From(entry.Name, AdapterFile.Transposed(model.ReadSingles(entry.Name), [.. entry.Shape]), entry.Shape[1], entry.Shape[0])
            : SafetensorsSource.From(model, entry.Name)));
        return (folder["model"], folder["adapter"]);
    }
}
