using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Kronecker;

/// <summary>How the modes are cut into launches, and how slabs are tiled and laid out.</summary>
[TestFixture]
internal sealed class KroneckerPlanTests
{
    private static readonly DeviceTraits Small = DeviceTraits.H100 with { SharedMemoryBytes = 101376 };

    [Test]
    public void Rows_of_4096_are_one_launch_with_several_blocks_on_a_multiprocessor([Values(16, 8)] int rank)
    {
        KroneckerPass pass = Plan(Step(8192, 1, DType.BFloat16, (16, rank), (16, rank), (16, rank)), DeviceTraits.H100).Single();
        Assert.That(pass.Slab, Is.Not.Null);
        Assert.That(new SlabArguments(pass.Slab!).SharedBytes, Is.LessThanOrEqualTo(DeviceTraits.H100.SharedMemoryBytes / 3));
    }

    [Test]
    public void Columns_that_do_not_fit_together_are_cut_into_the_fewest_launches()
    {
        ImmutableArray<KroneckerPass> passes = Plan(Step(1, 4096, DType.BFloat16, (16, 16), (16, 16), (16, 16)), DeviceTraits.H100);
        Assert.That(passes, Has.Length.EqualTo(2));
        Assert.That(passes.Sum(pass => pass.Modes.Length), Is.EqualTo(3));
        Assert.That(passes.All(pass => pass.Slab is not null));
    }

    [Test]
    public void Shrinking_launches_and_modes_come_first()
    {
        ImmutableArray<KroneckerPass> passes = Plan(Step(1, 4096, DType.Float32, (16, 16), (16, 16), (16, 16), (16, 2)), Small);
        Assert.That(passes[0].Modes, Does.Contain(new KroneckerMode(3, 16, 2, true)), "the launch that shrinks");
        KroneckerPass rows = Plan(Step(9, 1, DType.Float32, (4, 8), (8, 2), (4, 4)), Small).Single();
        Assert.That(rows.Slab!.Order, Is.EqualTo(new[] { 1, 2, 0 }));
    }

    [Test]
    public void The_view_of_a_later_launch_has_the_earlier_modes_new_lengths()
    {
        KroneckerStep step = Step(3, 5, DType.Float32, (2, 4), (300, 260), (3, 6));
        ImmutableArray<KroneckerPass> passes = Plan(step, DeviceTraits.H100);
        Assert.That(passes.Count(pass => pass.Slab is null), Is.EqualTo(1), "the large mode alone");
        long length = step.Outer * step.In * step.Inner;
        foreach (KroneckerPass pass in passes)
        {
            Assert.That(pass.Outer * pass.In * pass.Inner, Is.EqualTo(length));
            length = pass.Outer * pass.Out * pass.Inner;
        }

        Assert.That(length, Is.EqualTo(step.Outer * step.Out * step.Inner));
    }

    [Test]
    public void A_mode_too_large_for_a_slab_is_a_launch_of_its_own([Values(1, 4096)] int inner)
    {
        KroneckerPass pass = Plan(Step(8, inner, DType.BFloat16, (4096, 4096)), DeviceTraits.H100).Single();
        Assert.That(pass.Slab, Is.Null);
    }

    [Test]
    public void Many_modes_need_no_more_than_the_kernels_table_holds()
    {
        (long, long)[] modes = [.. Enumerable.Repeat((1L, 1L), 40)];
        ImmutableArray<KroneckerPass> passes = Plan(Step(4, 1, DType.Float32, modes), DeviceTraits.H100);
        Assert.That(passes.Select(pass => pass.Modes.Length), Is.All.InRange(1, SlabPlan.MaxModes));
        Assert.That(passes.Sum(pass => pass.Modes.Length), Is.EqualTo(40));
        Assert.That(passes, Has.Length.EqualTo(3));
    }

    [Test]
    public void Slabs_fit_whatever_the_shape([Random(1, 40, 12)] int first, [Random(1, 40, 6)] int second, [Values(1, 3, 64, 65, 1000)] int inner)
    {
        foreach (DeviceTraits traits in new[] { DeviceTraits.H100, Small })
        {
            foreach (KroneckerPass pass in Plan(Step(77, inner, DType.BFloat16, (first, second), (second, 7), (9, first)), traits))
            {
                if (pass.Slab is { } slab)
                {
                    var arguments = new SlabArguments(slab);
                    Assert.That(arguments.SharedBytes, Is.LessThanOrEqualTo(traits.SharedMemoryBytes));
                    Assert.That(slab.TileColumns == pass.Inner || slab.TileColumns * 2 >= 32, "columns make whole memory sectors");
                    AssertPlacesAreDistinct(slab, arguments);
                }
            }
        }
    }

    [Test]
    public void Modes_of_16_meet_no_bank_conflicts()
    {
        SlabPlan slab = Plan(Step(8192, 1, DType.BFloat16, (16, 16), (16, 16), (16, 16)), DeviceTraits.H100).Single().Slab!;
        var arguments = new SlabArguments(slab);
        for (int stage = 0; stage < 3; stage++)
        {
            int trailing = 1 << (4 * (2 - slab.Order[stage]));
            var reads = new SlabAccess(fibre => fibre + (fibre / trailing * 15 * trailing), (int)slab.Fibres(stage), 1, 1);
            double turns = reads.Cost(arguments.Layouts[stage], slab.TileRows * 4096);
            Assert.That(turns, Is.EqualTo(slab.Fibres(stage) / 32), $"stage {stage} with {arguments.Layouts[stage]}");
        }
    }

    [Test]
    public void Divisors_are_exact_in_the_range_of_slabs([Values(1, 2, 3, 5, 7, 16, 17, 255, 4096, 4099, 65535)] int value)
    {
        var divisor = new Divisor(value);
        for (uint n = 0; n < 65536; n++)
        {
            uint quotient = divisor.Magic == 0 ? n : (uint)(((ulong)n * divisor.Magic) >> 32);
            Assert.That(quotient, Is.EqualTo(n / (uint)value), $"{n} / {value}");
        }
    }

    [Test]
    public void Argument_structs_have_the_kernels_sizes()
    {
        Assert.That(System.Runtime.CompilerServices.Unsafe.SizeOf<SlabSideArguments>(), Is.EqualTo(56));
        Assert.That(System.Runtime.CompilerServices.Unsafe.SizeOf<KroneckerStage>(), Is.EqualTo(80));
        Assert.That(System.Runtime.CompilerServices.Unsafe.SizeOf<KroneckerSlabArguments>(), Is.EqualTo(1536).And.LessThanOrEqualTo(4096));
    }

    private static void AssertPlacesAreDistinct(SlabPlan slab, SlabArguments arguments)
    {
        for (int boundary = 0; boundary <= slab.Order.Length; boundary++)
        {
            int elements = slab.Lengths(boundary).Aggregate(1, (product, length) => product * length);
            SlabLayoutChoice layout = arguments.Layouts[boundary];
            for (int e = 1; e < elements; e++)
            {
                if (layout.Place(e) <= layout.Place(e - 1))
                {
                    Assert.Fail($"{layout} places element {e} on or before its predecessor");
                }
            }

            Assert.That(layout.Place(elements - 1), Is.LessThan(layout.Floats(elements)));
        }
    }

    private static ImmutableArray<KroneckerPass> Plan(KroneckerStep step, DeviceTraits traits) => KroneckerPasses.Plan(step, traits);

    private static KroneckerStep Step(long outer, long inner, DType dtype, params (long Features, long Rank)[] modes) =>
        new(
            new Operand(1, dtype),
            new Operand(2, dtype),
            outer,
            inner,
            [.. modes.Select((mode, i) => new KroneckerMode((uint)i, mode.Features, mode.Rank, true))],
            new RandomSource(1, Distribution.Normal))
        {
            Label = "test",
        };
}
