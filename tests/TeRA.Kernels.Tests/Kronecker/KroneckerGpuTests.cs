using System.Collections.Immutable;
using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Kronecker;

/// <summary>
/// The Kronecker kernels on shapes that take every branch of theirs: slabs of whole rows and of columns, odd lengths, several launches,
/// modes too large for a slab, generated input, scale, addition in place, misaligned addresses.
/// </summary>
[TestFixture]
[Category("Gpu")]
internal sealed class KroneckerGpuTests
{
    private static readonly DType[] AllDTypes = [DType.Float32, DType.BFloat16, DType.Float16];

    /// <summary>Outer, inner, then features × rank of the modes.</summary>
    private static readonly (long Outer, long Inner, (long Features, long Rank)[] Modes)[] Shapes =
    [
        (1, 1, [(1, 1)]),
        (3, 1, [(16, 16), (16, 16), (8, 8)]),
        (3, 1, [(16, 8), (16, 8), (16, 8)]),
        (37, 1, [(3, 5), (7, 2)]),
        (300, 1, [(2, 3)]),
        (1, 40, [(8, 8), (8, 4)]),
        (1, 70, [(7, 9), (5, 5)]),
        (2, 200, [(16, 16), (4, 2)]),
        (640, 1, [(8, 8), (4, 4)]),
        (1, 129, [(6, 3), (2, 2), (3, 3), (5, 5)]),
        (1, 136, [(16, 2), (16, 2), (16, 16)]),
        (2, 3, [(13, 11), (11, 13)]),
        (131, 1, [(150, 140)]),
        (1, 150, [(260, 300)]),
        (3, 5, [(2, 4), (257, 130), (3, 2)]),
        (2, 1, [(28, 3), (32, 4), (16, 16)]),
    ];

    public static IEnumerable<TestCaseData> Cases()
    {
        int index = 0;
        foreach ((long outer, long inner, (long, long)[] modes) in Shapes)
        {
            foreach (bool contract in new[] { true, false })
            {
                foreach (DType dtype in AllDTypes)
                {
                    int options = index++;
                    yield return new TestCaseData(outer, inner, modes, contract, dtype, options)
                        .SetArgDisplayNames($"{outer}x[{string.Join('.', modes)}]x{inner}", contract ? "contract" : "expand", dtype.Label(), $"options {options % 6}");
                }
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Integers_give_the_reference_exactly(long outer, long inner, (long, long)[] modes, bool contract, DType dtype, int options) =>
        Verify(outer, inner, modes, contract, dtype, options, integers: true, misalignment: 0);

    [TestCaseSource(nameof(Cases))]
    public void Normal_numbers_are_within_one_rounding(long outer, long inner, (long, long)[] modes, bool contract, DType dtype, int options) =>
        Verify(outer, inner, modes, contract, dtype, options + 1, integers: false, misalignment: 0);

    [TestCaseSource(nameof(Cases))]
    public void Misaligned_addresses_change_nothing(long outer, long inner, (long, long)[] modes, bool contract, DType dtype, int options) =>
        Verify(outer, inner, modes, contract, dtype, options + 2, integers: true, misalignment: 4);

    [Test]
    public void Rows_are_the_same_bits_in_any_batch([Values] bool contract)
    {
        (long, long)[] modes = [(16, 8), (12, 12)];
        byte[] one = RowsOf(1, modes, contract), many = RowsOf(67, modes, contract);
        Assert.That(many.AsSpan(0, one.Length).ToArray(), Is.EqualTo(one));
    }

    private static byte[] RowsOf(long rows, (long, long)[] modes, bool contract)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda);
        (BoundStep bound, _) = Bind(run, rows, 1, modes, contract, DType.BFloat16, 0, integers: false);
        run.Run(bound.Step);
        return run.ReadBytes(bound.Outputs[0].Slot);
    }

    private static void Verify(long outer, long inner, (long, long)[] modes, bool contract, DType dtype, int options, bool integers, int misalignment)
    {
        using var run = new StepRunner(DeviceUnderTest.Cuda) { Misalignment = misalignment };
        (BoundStep bound, Operand output) = Bind(run, outer, inner, modes, contract, dtype, options, integers);
        run.Run(bound.Step);
        byte[] first = run.ReadBytes(output.Slot);
        Check.That(StepBounds.Compare(run, bound, output, dtype), run.Description);
        run.Reset();
        run.Run(bound.Step);
        Check.That(Comparer.SameBits("repeat", run.ReadBytes(output.Slot), first), run.Description);
    }

    private static (BoundStep Bound, Operand Output) Bind(
        StepRunner run, long outer, long inner, (long Features, long Rank)[] modes, bool contract, DType dtype, int options, bool integers)
    {
        ImmutableArray<KroneckerMode> list = [.. modes.Select((mode, i) => new KroneckerMode((uint)(i + 1), mode.Features, mode.Rank, contract))];
        long length = list.Aggregate(1L, (product, mode) => product * mode.In), result = list.Aggregate(1L, (product, mode) => product * mode.Out);
        // Signs and few nonzero entries keep every sum an integer that even bfloat16 holds, until the last rounding.
        var source = new RandomSource(11, integers ? Distribution.Rademacher : Distribution.Normal);
        bool generated = options % 3 == 2;
        Operand? input = generated ? null : run.Input("input", dtype, Numbers(outer * length * inner, 6, dtype, integers));
        Operand? scale = options % 2 == 0 ? run.Input("scale", DType.Float32, Numbers(length, 7, DType.Float32, integers)) : null;
        long count = outer * result * inner;
        Operand output = options % 6 is 1 or 2 ? run.InOut("output", dtype, Numbers(count, 5, dtype, integers)) : run.Output("output", dtype, count);
        Operand? addTo = options % 6 is 1 or 2 ? output : options % 6 == 3 ? run.Input("addTo", dtype, Numbers(count, 5, dtype, integers)) : null;
        var step = new KroneckerStep(input, output, outer, inner, list, source)
        {
            Label = "test",
            Core = generated ? new CoreSource(source, 0, outer * length, inner) : null,
            InputScale = scale,
            AddTo = addTo,
            Alpha = integers ? 0.5 : 0.3f,
        };
        return (new BoundStep(step, [output], integers ? StepAccuracy.Exact : StepAccuracy.RoundedSum), output);
    }

    private static double[] Numbers(long count, ulong seed, DType dtype, bool integers) =>
        integers ? SeededValues.NonZeroIntegers(count, seed, 2) : SeededValues.Normal(count, seed, dtype);
}
