using NUnit.Framework;
using TeRA.Kernels.Cli;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Cli;

/// <summary><c>tera apply</c> on the CPU, against the dense float64 reference, through files as another program would write them.</summary>
[NonParallelizable]
public class ApplyTests
{
    private const string Module = "model.layers.0.q_proj";

    private static readonly DType[] DTypes = [DType.Float32, DType.BFloat16, DType.Float16, DType.Float64];

    [Test]
    public void Results_agree_with_the_dense_reference([ValueSource(nameof(DTypes))] DType dtype, [Values("merged", "factored", "auto")] string path)
    {
        using var folder = new TemporaryFolder();
        LayerData data = Problem(dtype, tokens: 37);
        ApplyFiles.Write(folder, Module, data, [37]);
        CommandLine run = Apply(folder, "--grad", "--path", path);
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using SafetensorsFile file = SafetensorsFile.Open(folder["out.safetensors"]);
        Check(data, ApplyFiles.Read(file, Module, data));
        Assert.That(file.Entry(Module + ".y").DType, Is.EqualTo(ApplyFiles.FileDType(dtype)));
        Assert.That(file.Entry($"grad:base_model.model.{Module}.tera_row.0").DType, Is.EqualTo(dtype == DType.Float64 ? SafetensorsDType.F64 : SafetensorsDType.F32));
    }

    [Test]
    public void Without_gradients_a_forward_alone_is_planned()
    {
        using var folder = new TemporaryFolder();
        LayerData data = LayerData.Normal(new TeraUpdate([13], [5], [7], [3]), 11, DType.Float32, bias: true);
        ApplyFiles.Write(folder, Module, data, [11]);
        var problem = new LayerProblem(11, data.OutFeatures, data.InFeatures, DType.Float32) { Update = data.Update, HasBias = true };
        string forward = LayerPlanner.Plan(problem with { NeedInputGradient = false, NeedParameterGradients = false }, CpuDevice.Shared.Traits).PathName;
        string step = LayerPlanner.Plan(problem, CpuDevice.Shared.Traits).PathName;
        Assert.That(Summary(Apply(folder, "--json")), Does.EndWith($", {forward}"));
        Assert.That(Summary(Apply(folder, "--json", "--force", "--grad")), Does.EndWith($", {step}"));
        Assert.That(forward, Does.Not.Contain("+"), "one pass has one path");

        static string? Summary(CommandLine run) => (string?)run.Json["modules"]![0]!["summary"];
    }

    [Test]
    public void Activations_may_have_any_number_of_leading_dimensions()
    {
        using var folder = new TemporaryFolder();
        LayerData data = Problem(DType.Float32, tokens: 24);
        ApplyFiles.Write(folder, Module, data, [2, 3, 4]);
        CommandLine run = Apply(folder, "--grad");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using SafetensorsFile file = SafetensorsFile.Open(folder["out.safetensors"]);
        Assert.That(file.Entry(Module + ".y").Shape, Is.EqualTo(new long[] { 2, 3, 4, data.OutFeatures }));
        Check(data, ApplyFiles.Read(file, Module, data));
    }

    [Test]
    public void A_16_bit_weight_with_float32_activations_is_computed_in_float32()
    {
        using var folder = new TemporaryFolder();
        LayerData data = Problem(DType.BFloat16, tokens: 19);
        ApplyFiles.Write(folder, Module, data, [19], weightDType: DType.BFloat16, activationDType: DType.Float32);
        CommandLine run = Apply(folder, "--grad");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using SafetensorsFile file = SafetensorsFile.Open(folder["out.safetensors"]);
        Check(data with { DType = DType.Float32 }, ApplyFiles.Read(file, Module, data));
    }

    [Test]
    public void No_tokens_give_empty_results_and_zero_gradients()
    {
        using var folder = new TemporaryFolder();
        LayerData data = Problem(DType.Float32, tokens: 0);
        ApplyFiles.Write(folder, Module, data, [0]);
        CommandLine run = Apply(folder, "--grad");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        using SafetensorsFile file = SafetensorsFile.Open(folder["out.safetensors"]);
        Assert.That(file.Entry(Module + ".y").Shape, Is.EqualTo(new long[] { 0, data.OutFeatures }));
        Assert.That(file.ReadSingles($"grad:base_model.model.{Module}.tera_col.0"), Is.All.Zero);
    }

    [Test]
    public void An_output_that_cannot_be_written_is_found_before_the_work()
    {
        using var folder = new TemporaryFolder();
        string output = Path.Combine(folder["missing"], "out.safetensors");
        var run = CommandLine.Run("apply", "--base", "no base", "--adapter", "no adapter", "--input", "no input", "--output", output, "--device", "cpu");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Failure));
        Assert.That(run.Errors, Does.Contain(output).And.Contain("can't be written").And.Not.Contain("no adapter"));
        Assert.That(Directory.Exists(folder["missing"]), Is.False);
    }

    [Test]
    public void An_output_that_exists_is_not_touched_without_force()
    {
        using var folder = new TemporaryFolder();
        ApplyFiles.Write(folder, Module, Problem(DType.Float32, 3), [3]);
        File.WriteAllText(folder["out.safetensors"], "mine");
        CommandLine run = Apply(folder);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.Usage));
        Assert.That(run.Errors, Does.Contain("--force"));
        Assert.That(File.ReadAllText(folder["out.safetensors"]), Is.EqualTo("mine"));
        Assert.That(Apply(folder, "--force").ExitCode, Is.Zero);
    }

    [TestCase("base.safetensors", ".weight", "no weight")]
    [TestCase("input.safetensors", ".x", "no input")]
    [TestCase("input.safetensors", ".dy", "no output gradient")]
    public void A_missing_tensor_is_named(string file, string tensor, string what)
    {
        using var folder = new TemporaryFolder();
        ApplyFiles.Write(folder, Module, Problem(DType.Float32, 3), [3], leaveOut: Module + tensor);
        CommandLine run = Apply(folder, "--grad");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.BadInput), what);
        Assert.That(run.Errors, Does.Contain(file).And.Contain(Module + tensor));
        Assert.That(File.Exists(folder["out.safetensors"]), Is.False);
    }

    [Test]
    public void A_shape_that_does_not_fit_is_named_with_what_was_expected()
    {
        using var folder = new TemporaryFolder();
        LayerData data = Problem(DType.Float32, 4);
        LayerData narrow = data with { InFeatures = data.InFeatures / 2, X = data.X[..(data.X.Length / 2)] };
        ApplyFiles.Write(folder, Module, narrow, [4], sizes: data);
        CommandLine run = Apply(folder);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.BadInput));
        Assert.That(run.Errors, Does.Contain(Module + ".x").And.Contain($"{data.InFeatures}"));
    }

    [Test]
    public void A_file_that_is_no_safetensors_is_bad_input()
    {
        using var folder = new TemporaryFolder();
        ApplyFiles.Write(folder, Module, Problem(DType.Float32, 3), [3]);
        File.WriteAllText(folder["base.safetensors"], "this is not a tensor file at all");
        CommandLine run = Apply(folder);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCodes.BadInput));
        Assert.That(run.Errors, Does.Contain("base.safetensors"));
    }

    /// <summary>Adapter files hold float32 vectors, whatever the activations are.</summary>
    private static LayerData Problem(DType dtype, long tokens)
    {
        var update = new TeraUpdate([4, 5], [3, 6], [2, 3, 4], [2, 2, 5], 77, Distribution.Uniform, 2.5);
        LayerData data = LayerData.Normal(update, tokens, dtype, bias: true);
        return data with { Trained = [.. data.Trained.Select(vector => Array.ConvertAll(vector, value => (double)(float)value))] };
    }

    private static CommandLine Apply(TemporaryFolder folder, params string[] more) => CommandLine.Run(
    [
        "apply", "--base", folder["base.safetensors"], "--adapter", folder["adapter"], "--input", folder["input.safetensors"],
        "--output", folder["out.safetensors"], "--device", "cpu", .. more,
    ]);

    private static void Check(LayerData data, LayerValues actual)
    {
        foreach (QuantityError error in LayerComparer.Compare(data, actual))
        {
            Assert.That(error.Passed, Is.True, error.Comparison.Report);
        }
    }
}
