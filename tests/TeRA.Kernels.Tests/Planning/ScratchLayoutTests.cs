using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Where scratch buffers lie.</summary>
internal sealed class ScratchLayoutTests
{
    [Test]
    public void Buffers_alive_together_never_overlap() => Prop.ForAll(
        Requests().ToArbitrary(),
        requests =>
        {
            (long[] offsets, long total) = ScratchLayout.Place(requests);
            return Pairs(requests.Length).All(pair => !AliveTogether(requests, pair) || Apart(requests, offsets, pair))
                && offsets.Zip(requests).All(entry => entry.First % ScratchLayout.Alignment == 0 && entry.First + entry.Second.Bytes <= total);
        }).QuickCheckThrowOnFailure();

    [Test]
    public void A_dead_buffer_makes_room()
    {
        (long[] offsets, long total) = ScratchLayout.Place([new(1000, 0, 1), new(500, 1, 2), new(900, 2, 3)]);
        Assert.That(offsets, Is.EqualTo(new long[] { 0, 1024, 0 }));
        Assert.That(total, Is.EqualTo(1024 + 512));
    }

    private static Gen<ScratchLayout.Request[]> Requests() =>
        (from bytes in Gen.Choose(0, 2000) from first in Gen.Choose(0, 8) from length in Gen.Choose(0, 5) select new ScratchLayout.Request(bytes, first, first + length))
        .ArrayOf();

    private static IEnumerable<(int A, int B)> Pairs(int count) =>
        from a in Enumerable.Range(0, count) from b in Enumerable.Range(0, a) select (a, b);

    private static bool AliveTogether(ScratchLayout.Request[] requests, (int A, int B) pair) =>
        requests[pair.A].First <= requests[pair.B].Last && requests[pair.B].First <= requests[pair.A].Last;

    private static bool Apart(ScratchLayout.Request[] requests, long[] offsets, (int A, int B) pair) =>
        offsets[pair.A] + requests[pair.A].Bytes <= offsets[pair.B] || offsets[pair.B] + requests[pair.B].Bytes <= offsets[pair.A];
}
