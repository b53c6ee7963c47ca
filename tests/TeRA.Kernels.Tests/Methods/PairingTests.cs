using NUnit.Framework;
using TeRA.Kernels.Tests.Autograd;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Methods;

/// <summary>RandLoRA's ΔW against the two written definitions, in integers: the paper's sum over bases, and PEFT's reshapes of what its files hold.</summary>
internal sealed class PairingTests
{
    private static readonly (long N, long K)[] Sizes = [(7, 5), (5, 7), (4, 4)];
    private const int R = 2;

    [Test]
    public void The_papers_pairing_is_the_sum_over_the_bases([ValueSource(nameof(Sizes))] (long N, long K) size)
    {
        (RandLoraUpdate update, double[] a, double[] b, double[] lambda, double[] gamma) = Make(size, RandLoraPairing.Paper);
        (int n, int m) = ((int)update.BaseCount, (int)Math.Min(size.N, size.K));
        // ΔW = Σ_b B_b·diag(λ[:, b])·A·diag(γ[b, :]).
        Verify(size, update, a, b, lambda, gamma, (row, k) =>
            Enumerable.Range(0, n).Sum(copy => Enumerable.Range(0, R).Sum(rho => b[(row * (n + 1) * R) + (copy * R) + rho] * lambda[(rho * n) + copy] * a[(rho * (m + 1)) + k] * gamma[(copy * m) + k])));
    }

    [Test]
    public void Pefts_pairing_is_its_reshapes([ValueSource(nameof(Sizes))] (long N, long K) size)
    {
        (RandLoraUpdate update, double[] a, double[] b, double[] lambda, double[] gamma) = Make(size, RandLoraPairing.Peft);
        (int n, int m) = ((int)update.BaseCount, (int)Math.Min(size.N, size.K));
        // S[k, b, i] = λ[k, b]·A[k, i]·γ[b, i], flattened in this order to A' [r·n, m]; B[:, :n, :] flattened to B' [M, n·r].
        var scaled = new double[R * n * m];
        for (int k = 0, next = 0; k < R; k++)
        {
            for (int copy = 0; copy < n; copy++)
            {
                for (int i = 0; i < m; i++)
                {
                    scaled[next++] = lambda[(k * n) + copy] * a[(k * (m + 1)) + i] * gamma[(copy * m) + i];
                }
            }
        }

        Verify(size, update, a, b, lambda, gamma, (row, i) => Enumerable.Range(0, R * n).Sum(j => b[(row * (n + 1) * R) + j] * scaled[(j * m) + i]));
    }

    // A [r, 1, m + 1] and B [M + 1, n + 1, r]: the layer reads a part of each.
    private static (RandLoraUpdate Update, double[] A, double[] B, double[] Lambda, double[] Gamma) Make((long N, long K) size, RandLoraPairing pairing)
    {
        long m = Math.Min(size.N, size.K), longer = Math.Max(size.N, size.K), n = (m + R - 1) / R;
        FrozenBases bases = FrozenBases.Given(DType.Float32, [R, 1, m + 1], [longer + 1, n + 1, R]);
        return (
            new RandLoraUpdate(size.N, size.K, R, pairing, bases, alpha: R), SeededValues.NonZeroIntegers(R * (m + 1), 1, 3), SeededValues.NonZeroIntegers((longer + 1) * (n + 1) * R, 2, 3),
            SeededValues.NonZeroIntegers(R * n, 3, 3), SeededValues.NonZeroIntegers(n * m, 4, 3));
    }

    private static void Verify((long N, long K) size, RandLoraUpdate update, double[] a, double[] b, double[] lambda, double[] gamma, Func<int, int, double> product)
    {
        Device device = DeviceUnderTest.Cpu;
        using Tensor storedA = Upload(device, a, update.Stored[0].Shape.AsSpan()), storedB = Upload(device, b, update.Stored[1].Shape.AsSpan());
        using Tensor weight = device.Allocate(DType.Float32, size.N, size.K), delta = device.Allocate(DType.Float32, size.N, size.K);
        using var layer = new AdaptedLinear(device, weight, null, update, given: new GivenTensors { Stored = [storedA, storedB] });
        LayerFixture.Write(layer.Parameters[0].Value, lambda);
        LayerFixture.Write(layer.Parameters[1].Value, gamma);
        layer.MaterializeDelta(delta);
        double[] actual = LayerFixture.Read(delta);
        for (int row = 0; row < size.N; row++)
        {
            for (int column = 0; column < size.K; column++)
            {
                double expected = size.N >= size.K ? product(row, column) : product(column, row);
                Assert.That(actual[(row * size.K) + column], Is.EqualTo(expected), $"[{row}, {column}]");
            }
        }
    }

    private static Tensor Upload(Device device, double[] values, ReadOnlySpan<long> shape) => LayerRunner.Upload(device.Allocate(DType.Float32, shape), values);
}
