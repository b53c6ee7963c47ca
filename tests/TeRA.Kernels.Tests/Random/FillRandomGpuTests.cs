using System.Runtime.InteropServices;
using NUnit.Framework;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.RandomFactors;

/// <summary>The GPU's factors against the CPU's, bit for bit.</summary>
[TestFixture]
[Category("Gpu")]
public sealed class FillRandomGpuTests
{
    private const int Rows = 3163;
    private const int Columns = 3167;

    // Enough for tiles on every device, the last one short, and one normal past the last four.
    private const int TileRows = 4099;
    private const int TileColumns = 2051;
    private CudaDevice device = null!;

    [OneTimeSetUp]
    public void Open()
    {
        try
        {
            device = CudaDevice.Open();
        }
        catch (DeviceUnavailableException reason)
        {
            Assert.Ignore(reason.Message);
        }
    }

    [OneTimeTearDown]
    public void Close() => device?.Dispose();

    [Test]
    public void Ten_million_elements_have_the_same_bits_whatever_the_grid([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        CoreSource core = new(new RandomSource(0xFEEDFACE12345678, distribution), 6, Rows, Columns);
        float[] expected = new float[Rows * Columns];
        RandomFactor.Fill(expected, core.Source, core.Stream);
        Assert.That(expected, Has.Length.GreaterThan(10_000_000));
        foreach ((uint? blocks, int threads) in new (uint?, int)[] { (null, 256), (1, 1024), (7, 96), (1000, 33), (65536, 64) })
        {
            float[] found = Fill<float>(core, DType.Float32, 1, 0, blocks, threads);
            AssertSameBits(MemoryMarshal.Cast<float, uint>(found), MemoryMarshal.Cast<float, uint>(expected), $"{blocks} blocks of {threads}");
        }
    }

    [Test]
    public void Narrow_types_are_the_scaled_floats_rounded_to_nearest_even([ValueSource(typeof(FormatText), nameof(FormatText.Distributions))] Distribution distribution)
    {
        CoreSource core = new(new RandomSource(5, distribution), 0, 1009, 1013);
        const float scale = 0.0123f;
        float[] values = new float[1009 * 1013];
        RandomFactor.Fill(values, core.Source, core.Stream);
        ushort[] brains = values.Select(value => ((BFloat16)(value * scale)).Bits).ToArray();
        ushort[] halves = values.Select(value => BitConverter.HalfToUInt16Bits((Half)(value * scale))).ToArray();
        AssertSameBits<ushort>(Fill<ushort>(core, DType.BFloat16, scale, 0), brains, "bfloat16");
        AssertSameBits<ushort>(Fill<ushort>(core, DType.Float16, scale, 0), halves, "float16");
    }

    [Test]
    public void Any_count_and_address_is_served_and_nothing_beside_it_is_written()
    {
        foreach (int count in new[] { 0, 1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 129, 1023, 1025 })
        {
            CoreSource core = new(new RandomSource(3, Distribution.Normal), 2, 1, count);
            float[] expected = new float[count];
            RandomFactor.Fill(expected, core.Source, core.Stream);
            ushort[] rounded = expected.Select(value => ((BFloat16)value).Bits).ToArray();
            foreach (int misplaced in new[] { 0, 1, 3 })
            {
                string what = $"{count} elements, {misplaced} off the alignment";
                AssertSameBits(MemoryMarshal.Cast<float, uint>(Fill<float>(core, DType.Float32, 1, misplaced)), MemoryMarshal.Cast<float, uint>(expected), what);
                AssertSameBits<ushort>(Fill<ushort>(core, DType.BFloat16, 1, misplaced), rounded, what);
            }
        }
    }

    [Test]
    public void Normals_in_tiles_have_the_exact_formulas_bits()
    {
        const int cases = 16;
        Assert.That((long)cases * TileRows * TileColumns, Is.GreaterThan(1 << 27));
        for (int i = 0; i < cases; i++)
        {
            CoreSource core = new(new RandomSource(0x9E3779B97F4A7C15 * (ulong)(i + 1), Distribution.Normal), (uint)(i % 5), TileRows, TileColumns);
            AssertTilesAreExact(core, DType.BFloat16, 1);
        }
    }

    [Test]
    public void Normals_in_tiles_keep_the_scales_rounding_to_float([Values(DType.BFloat16, DType.Float16)] DType dtype, [Values(1.0, 0.0123, -37.5, 1e-7, 3e-39)] double scale)
    {
        CoreSource core = new(new RandomSource(77, Distribution.Normal), 3, TileRows, TileColumns);
        AssertTilesAreExact(core, dtype, scale);
    }

    [Test]
    public void The_approximate_functions_keep_their_bounds_for_every_word()
    {
        (float radius, float direction) = NormalBoundsProbe.Measure(device);
        TestContext.Out.WriteLine($"greatest errors, as parts of the allowed: radius {radius:F3}, direction {direction:F3}");
        Assert.That(radius, Is.InRange(0.1f, 1f));
        Assert.That(direction, Is.InRange(0.1f, 1f));
    }

    private void AssertTilesAreExact(CoreSource core, DType dtype, double scale)
    {
        ushort[] exact = Fill<ushort>(core, dtype, scale, 0, tiled: false);
        AssertSameBits<ushort>(Fill<ushort>(core, dtype, scale, 0, tiled: true), exact, $"{dtype}, {core}, times {scale}");
    }

    // Runs the kernel into the middle of a larger buffer whose rest must keep its 0xFF bytes.
    private T[] Fill<T>(CoreSource core, DType dtype, double scale, int misplaced, uint? blocks = null, int threads = 256, bool tiled = true)
        where T : unmanaged
    {
        int size = dtype.Size();
        int before = 256 + (misplaced * size);
        int bytes = checked((int)(core.R * core.S) * size);
        using SafeHandle memory = device.AllocateMemory(before + bytes + 256);
        nint start = memory.DangerousGetHandle();
        device.Fill(start, 0xFF, before + bytes + 256, default);
        FillRandomStep step = new(new Operand(1, dtype), core) { Label = "fill", Scale = scale };
        FillRandomLauncher launcher = new(device, step, blocks, threads, tiled);
        bool inTiles = tiled && core.Source.Distribution == Distribution.Normal && dtype != DType.Float32 && core.R == TileRows;
        Assert.That(launcher.Description.EndsWith(" in tiles", StringComparison.Ordinal), Is.EqualTo(inTiles), launcher.Description);
        launcher.Run([0, start + before], default);
        byte[] found = new byte[before + bytes + 256];
        device.Synchronize();
        device.CopyOut(start, found, default);
        Assert.That(found.AsSpan(0, before).IndexOfAnyExcept((byte)0xFF), Is.EqualTo(-1), "wrote before the output");
        Assert.That(found.AsSpan(before + bytes).IndexOfAnyExcept((byte)0xFF), Is.EqualTo(-1), "wrote past the output");
        return MemoryMarshal.Cast<byte, T>(found.AsSpan(before, bytes)).ToArray();
    }

    private static void AssertSameBits<T>(ReadOnlySpan<T> found, ReadOnlySpan<T> expected, string what)
        where T : unmanaged, IEquatable<T>
    {
        Assert.That(found.Length, Is.EqualTo(expected.Length));
        int first = found.CommonPrefixLength(expected);
        if (first < expected.Length)
        {
            Assert.Fail($"{what}: element {first} is {found[first]:x}, expected {expected[first]:x}");
        }
    }
}
