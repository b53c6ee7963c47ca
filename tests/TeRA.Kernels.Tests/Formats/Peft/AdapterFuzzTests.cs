using System.Text;
using NUnit.Framework;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Mutated configurations and tensor files of every method are read or refused by a rule, never anything else.</summary>
[TestFixture]
internal sealed class AdapterFuzzTests
{
    private static readonly int Mutations = int.TryParse(Environment.GetEnvironmentVariable("TERA_FUZZ_MUTATIONS"), out int asked) ? asked / 8 : 2_500;

    private const string LoraConfig = """
        {"peft_type":"LORA","r":2,"lora_alpha":6,"use_rslora":false,"bias":"none","target_modules":"m\\.(q|v)","exclude_modules":["x"],
        "layers_to_transform":null,"layers_pattern":null,"rank_pattern":{"v":2},"alpha_pattern":{".*q":5},"init_lora_weights":true,"use_dora":false,"modules_to_save":null}
        """;

    private const string LotrConfig = """{"peft_type":"LOTR","r":2,"scale":1.5,"groups":[["m.q"],["m.v"]],"seed":7,"distribution":"ternary","ternary_p":0.25,"factor_format":1}""";

    private const string LayerConfig = """{"peft_type":"LORA","r":2,"target_modules":["q","v"],"layers_to_transform":[0,1],"layers_pattern":["layers"]}""";

    [TestCase(LoraConfig, "lora")]
    [TestCase(LayerConfig, "lora")]
    [TestCase(PeftFixtures.Vera, "vera")]
    [TestCase(PeftFixtures.RandLora, "randlora")]
    [TestCase(LotrConfig, "lotr")]
    public void Mutated_configurations_are_read_or_refused_by_a_rule(string config, string method)
    {
        using var folder = new TemporaryFolder();
        SafetensorsSource[] tensors = [.. Tensors(method)];
        FormatFixtures.WriteAdapter(folder.Root, config, tensors);
        byte[] seed = Encoding.UTF8.GetBytes(config);
        Count(folder.Root, i => File.WriteAllBytes(folder["adapter_config.json"], Mutator.Json(seed, new Random(i))));
    }

    [TestCase(LoraConfig, "lora")]
    [TestCase(PeftFixtures.Vera, "vera")]
    [TestCase(PeftFixtures.RandLora, "randlora")]
    [TestCase(LotrConfig, "lotr")]
    public void Mutated_tensors_are_read_or_refused_by_a_rule(string config, string method)
    {
        using var folder = new TemporaryFolder();
        byte[] seed = FormatFixtures.Write(Tensors(method));
        FormatFixtures.WriteAdapter(folder.Root, config, Tensors(method));
        Count(folder.Root, i => File.WriteAllBytes(folder["adapter_model.safetensors"], Mutator.File(seed, new Random(i))));
    }

    private static IEnumerable<SafetensorsSource> Tensors(string method) => method switch
    {
        "lora" => PeftFixtures.LoraTensors().Values,
        "vera" => PeftFixtures.VeraTensors().Values,
        "randlora" => PeftFixtures.RandLoraTensors().Values,
        _ => [PeftFixtures.Random("base_model.model.m.q.lotr_M", 2, 2), PeftFixtures.Random("base_model.model.m.v.lotr_M", 2, 2)],
    };

    private static void Count(string folder, Action<int> mutate)
    {
        var rules = new SortedDictionary<string, int>(StringComparer.Ordinal);
        int accepted = 0;
        for (int i = 0; i < Mutations; i++)
        {
            mutate(i);
            try
            {
                // Not strict, so that binding is reached too; what it reports instead of throwing is counted like an error.
                using Adapter adapter = Adapter.Load(folder, new AdapterLoadOptions { Strict = false });
                using AdapterBinding binding = adapter.Bind(PeftFixtures.Base, strict: false);
                foreach (AdapterModule module in binding.Modules)
                {
                    _ = Enumerable.Range(0, module.TensorNames.Length).Select(module.ReadTrained).ToArray();
                }

                accepted += binding.Report.IsComplete ? 1 : 0;
                Add(rules, binding.Report.Problems.FirstOrDefault()?.Rule);
            }
            catch (FileFormatException error)
            {
                Add(rules, error.Rule);
            }
            catch (Exception error)
            {
                Assert.Fail($"mutation {i}: {error}");
            }
        }

        TestContext.Out.WriteLine($"{Mutations} mutations, {accepted} still valid; {string.Join(", ", rules.Select(rule => $"{rule.Key} {rule.Value}"))}");
        Assert.Multiple(() =>
        {
            Assert.That(rules, Has.Count.GreaterThanOrEqualTo(5));
            Assert.That(accepted, Is.GreaterThan(Mutations / 100));
        });
    }

    private static void Add(SortedDictionary<string, int> rules, string? rule)
    {
        if (rule is not null)
        {
            rules[rule] = rules.GetValueOrDefault(rule) + 1;
        }
    }
}
