using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>products</c>: the three products of a linear layer against cuBLASLt.</summary>
internal static class ProductsCommand
{
    private static readonly (long Tokens, long N, long K)[] Shapes =
        [(8192, 4096, 4096), (8192, 14336, 4096), (8192, 4096, 14336), (2048, 4096, 4096), (512, 4096, 4096), (256, 4096, 4096), (8192, 5120, 5120), (8192, 3072, 3072), (8192, 11008, 4096), (8191, 4096, 4096)];

    /// <summary>Runs it.</summary>
    public static Report Run(CudaDevice device)
    {
        var report = new Report(device, "us", "cublaslt_us", "tflops", "speed_ratio");
        using var cublas = new CublasLt(device);
        foreach ((long tokens, long n, long k) in Shapes)
        {
            Measure(device, cublas, report, $"Y  = X·Wᵀ  {tokens}×{n}×{k}", (tokens, n, k), Layout.Normal, Layout.Transposed);
            Measure(device, cublas, report, $"dX = dY·W  {tokens}×{k}×{n}", (tokens, k, n), Layout.Normal, Layout.Normal);
            if (tokens % 8 == 0)
            {
                Measure(device, cublas, report, $"dW = dYᵀ·X {n}×{k}×{tokens}", (n, k, tokens), Layout.Transposed, Layout.Normal);
            }
        }

        return report;
    }

    private static void Measure(CudaDevice device, CublasLt cublas, Report report, string name, (long M, long N, long K) size, Layout layoutA, Layout layoutB)
    {
        (long m, long n, long k) = size;
        const DType dtype = DType.BFloat16;
        int sets = DeviceData.Sets(2 * ((m * k) + (k * n)));
        Tensor[] a = [.. Enumerable.Range(0, sets).Select(_ => DeviceData.Normal(device, dtype, 1, m * k))];
        Tensor[] b = [.. Enumerable.Range(0, sets).Select(_ => DeviceData.Normal(device, dtype, 1, k * n))];
        using Tensor c = device.Allocate(dtype, m * n), expected = device.Allocate(dtype, m * n);
        var step = new MatrixProductStep(new Operand(1, dtype), new Operand(2, dtype), new Operand(3, dtype), m, n, k)
        {
            Label = name, LayoutA = layoutA, LayoutB = layoutB,
        };
        CompiledStep ours = device.Compile(step);
        using Tensor workspace = device.Allocate(dtype, (ours.WorkspaceBytes / 2) + 1);
        Action<StreamHandle>[] theirs = [.. Enumerable.Range(0, sets).Select(i => cublas.Product(a[i], layoutA, b[i], layoutB, expected, m, n, k))];
        double[] seconds = new DeviceTimer(device).Medians(
            sets,
            (stream, set) => ours.Run([workspace.Address, a[set].Address, b[set].Address, c.Address], stream),
            (stream, set) => theirs[set](stream));
        report.Add($"{name} {ours.Description.Split(' ')[0]}", seconds[0] * 1e6, seconds[1] * 1e6, step.Operations / seconds[0] / 1e12, seconds[1] / seconds[0]);
        Array.ForEach([.. a, .. b], tensor => tensor.Dispose());
    }
}
