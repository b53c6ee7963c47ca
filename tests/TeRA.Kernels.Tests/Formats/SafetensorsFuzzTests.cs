using System.Text;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Formats;

/// <summary>Mutated files are read or refused, never anything else, and cost no more memory than their size allows.</summary>
[TestFixture]
internal sealed class SafetensorsFuzzTests
{
    // More on request: before a release some 10⁷.
    private static readonly int Mutations = int.TryParse(Environment.GetEnvironmentVariable("TERA_FUZZ_MUTATIONS"), out int asked) ? asked : 120_000;

    [Test]
    public void Mutated_files_are_read_or_refused_by_a_rule()
    {
        byte[][] seeds =
        [
            .. new[] { "lora-square", "vera-mixed-noproj" }.Select(name => File.ReadAllBytes(FormatFixtures.Data($"{name}/adapter_model.safetensors"))),
            FormatFixtures.Write(Enum.GetValues<SafetensorsDType>().Select(dtype => FormatFixtures.Zeros(dtype.Label(), dtype, 2, 4)), new Dictionary<string, string> { ["k\u00e9y"] = "\u20ac\"\\\n\ud83d\ude00" }),
            FormatFixtures.Write([FormatFixtures.Zeros("scalar", SafetensorsDType.F32), FormatFixtures.Zeros("empty", SafetensorsDType.F64, 3, 0)]),
        ];
        var rules = new Dictionary<string, int>();
        int accepted = 0;
        for (int i = 0; i < Mutations; i++)
        {
            byte[] file = Mutator.File(seeds[i % seeds.Length], new Random(i));
            try
            {
                _ = FormatFixtures.Parse(file);
                accepted++;
            }
            catch (FileFormatException error)
            {
                rules[error.Rule!] = rules.GetValueOrDefault(error.Rule!) + 1;
            }
            catch (Exception error)
            {
                Assert.Fail($"mutation {i} of seed {i % seeds.Length}: {error}");
            }
        }

        TestContext.Out.WriteLine($"{Mutations} mutations, {accepted} still valid; {string.Join(", ", rules.OrderBy(rule => rule.Key).Select(rule => $"{rule.Key} {rule.Value}"))}");

        // A fuzzer that reaches only a few rules, or that never leaves a file valid, tests little.
        Assert.Multiple(() =>
        {
            Assert.That(rules, Has.Count.GreaterThanOrEqualTo(20));
            Assert.That(accepted, Is.GreaterThan(1000));
        });
    }

    [Test]
    public void What_a_mutated_file_still_offers_lies_inside_it()
    {
        byte[] seed = FormatFixtures.Write(Enum.GetValues<SafetensorsDType>().Select(dtype => FormatFixtures.Zeros(dtype.Label(), dtype, 2, 4)));
        int accepted = 0;
        for (int i = 0; i < 5000; i++)
        {
            byte[] file = Mutator.File(seed, new Random(i));
            try
            {
                TeRA.Kernels.Formats.SafetensorsHeader header = FormatFixtures.Parse(file);
                accepted++;
                long total = 0;
                foreach (SafetensorsEntry entry in header.Tensors.Values)
                {
                    Assert.That(entry.ByteCount, Is.EqualTo(entry.ElementCount * entry.DType.Bits() / 8));
                    Assert.That(header.DataStart + entry.Offset + entry.ByteCount, Is.LessThanOrEqualTo(file.Length));
                    total += entry.ByteCount;
                }

                Assert.That(header.DataStart + total, Is.EqualTo(file.Length));
            }
            catch (FileFormatException)
            {
                // Refused: nothing is offered.
            }
        }

        Assert.That(accepted, Is.GreaterThan(100));
    }

    [Test]
    public void Mutated_configurations_are_read_or_refused_by_a_rule()
    {
        byte[][] seeds =
        [
            Encoding.UTF8.GetBytes(FormatFixtures.GoodConfig),
            FormatFixtures.Adapter(ulong.MaxValue, Distribution.Ternary(0.1666), 0.5).Config.ToDocument().With("notes", "\u20ac").ToUtf8(),
        ];
        var rules = new HashSet<string>();
        int accepted = 0;
        for (int i = 0; i < Mutations / 4; i++)
        {
            byte[] json = Mutator.Json(seeds[i % seeds.Length], new Random(i));
            try
            {
                _ = TeraConfig.From(AdapterConfig.Parse(json, "adapter_config.json")).ToDocument().ToUtf8();
                accepted++;
            }
            catch (FileFormatException error)
            {
                rules.Add(error.Rule!);
            }
            catch (Exception error)
            {
                Assert.Fail($"mutation {i} of seed {i % seeds.Length}: {error}");
            }
        }

        TestContext.Out.WriteLine($"{accepted} still valid; {string.Join(", ", rules.Order())}");
        Assert.Multiple(() =>
        {
            Assert.That(rules, Has.Count.GreaterThanOrEqualTo(9));
            Assert.That(accepted, Is.GreaterThan(300));
        });
    }

    [TestCase(100UL << 30)]
    [TestCase(100_000_000UL)]
    [TestCase(ulong.MaxValue)]
    public void A_claimed_length_allocates_nothing(ulong claimed)
    {
        byte[] file = [.. BitConverter.GetBytes(claimed), .. "{}"u8];
        Assert.That(Allocated(() => FormatFixtures.Parse(file)), Is.LessThan(100_000));
    }

    [Test]
    public void Claimed_shapes_and_offsets_allocate_nothing()
    {
        byte[] file = FormatFixtures.File("{\"a\":{\"dtype\":\"U8\",\"shape\":[9007199254740992],\"data_offsets\":[0,9007199254740992]}}");
        Assert.That(Allocated(() => FormatFixtures.Parse(file)), Is.LessThan(100_000));
    }

    [Test]
    public void The_largest_table_of_tensors_stays_within_twice_its_text_and_16_MiB()
    {
        string json = "{" + string.Join(',', Enumerable.Range(0, 262_144).Select(i => $"\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")) + "}";
        byte[] file = FormatFixtures.File(json);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        TeRA.Kernels.Formats.SafetensorsHeader header = FormatFixtures.Parse(file);
        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.That(header.Tensors, Has.Count.EqualTo(262_144));
        TestContext.Out.WriteLine($"header {file.Length} bytes, kept {kept}");
        Assert.That(kept, Is.LessThan((2L * file.Length) + (16 << 20)));
    }

    private static long Allocated(Action action)
    {
        Assert.Throws<FileFormatException>(() => action());
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            action();
        }
        catch (FileFormatException)
        {
            // Expected; the question is what it took.
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
