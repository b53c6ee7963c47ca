using System.CommandLine;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary>
/// <c>products</c>: the products of a linear layer and of low-rank methods against cuBLASLt; those with a block product against its product
/// without one, those that start from a weight against its own that do.
/// </summary>
internal static class ProductsCommand
{
    private const DType Type = DType.BFloat16;
    private const double Target = 0.97;

    private static readonly (long Tokens, long N, long K)[] Shapes =
        [(8192, 4096, 4096), (8192, 14336, 4096), (8192, 4096, 14336), (2048, 4096, 4096), (512, 4096, 4096), (256, 4096, 4096), (128, 4096, 4096), (8192, 5120, 5120), (8192, 3072, 3072), (8192, 11008, 4096), (8191, 4096, 4096)];

    // Of low-rank methods on a layer of 4096×4096 with 8192 tokens.
    private static readonly long[] Ranks = [16, 64, 128, 256];

    private static readonly Problem[] Problems = [.. Shapes.SelectMany(Create), .. Ranks.SelectMany(OfRank), .. Joined(), new("Z' = P·Mᵀ ", 8192, 1024, 512, Layout.Normal, Layout.Transposed, null)];

    /// <summary>The command.</summary>
    public static Command Create() => DeviceOptions.Command(
        "products", "Our products against the fastest algorithm that cuBLASLt's heuristic names: Y = X·Wᵀ, dX = dY·W and dW = dYᵀ·X.", Problems.Select(problem => problem.Name), Run);

    private static IEnumerable<Problem> Create((long Tokens, long N, long K) shape)
    {
        (long tokens, long n, long k) = shape;
        double? target = tokens == 8192 && k == 4096 && n is 4096 or 14336 ? Target : null;
        yield return new Problem("Y  = X·Wᵀ ", tokens, n, k, Layout.Normal, Layout.Transposed, target);
        yield return new Problem("dX = dY·W ", tokens, k, n, Layout.Normal, Layout.Normal, target);
        if (tokens % 8 == 0)
        {
            yield return new Problem("dW = dYᵀ·X", n, k, tokens, Layout.Transposed, Layout.Normal, target);
        }
    }

    private static IEnumerable<Problem> OfRank(long rank)
    {
        const long tokens = 8192, side = 4096;
        yield return new Problem("P  = X·Aᵀ ", tokens, rank, side, Layout.Normal, Layout.Transposed, null);
        yield return new Problem("Q  = dY·B ", tokens, rank, side, Layout.Normal, Layout.Normal, null);
        yield return new Problem("dB += dYᵀ·Z", side, rank, tokens, Layout.Transposed, Layout.Normal, null) { Accumulates = true };
        yield return new Problem("dA += Dᵀ·X", rank, side, tokens, Layout.Transposed, Layout.Normal, null) { Accumulates = true };
    }

    private static IEnumerable<Problem> Joined()
    {
        const long tokens = 8192, side = 4096;
        foreach ((long width, long depth) in new[] { (256L, 64L), (side, 64), (side, 16) })
        {
            yield return new Problem($"Y  = X·Wᵀ + blocks {width}×{depth} ", tokens, side, side, Layout.Normal, Layout.Transposed, null) { Blocks = (width, depth) };
            yield return new Problem($"dX = dY·W + blocks {width}×{depth} ", tokens, side, side, Layout.Normal, Layout.Normal, null) { Blocks = (width, depth) };
        }

        foreach (long depth in new long[] { 64, 256, 4096 })
        {
            yield return new Problem("W  = W0 + L·R ", side, side, depth, Layout.Normal, Layout.Normal, null) { StartsFromWeight = true };
        }
    }

    private static void Run(DeviceBench bench, string? json)
    {
        var table = new TextTable(Console.Out, 44, "us", "cublaslt_us", "floor_us", "tflops", "gbytes_s", "speed", "target", "to_floor");
        RowRecorder<ProductRow> rows = bench.Record<ProductRow>("products", json);
        foreach (Problem problem in Problems.Where(problem => bench.Wants(problem.Name)))
        {
            ProductRow row = Measure(bench, problem);
            table.Add($"{row.Name} {row.Kernel}", row.Us, row.CublasltUs, row.FloorUs, row.Tflops, row.GbytesPerSecond, row.SpeedRatio, row.SpeedTarget, row.FloorRatio);
            rows.Add(row);
        }

        rows.Finish();
    }

    private static ProductRow Measure(DeviceBench bench, Problem problem)
    {
        (long m, long n, long k) = (problem.M, problem.N, problem.K);
        CudaDevice device = bench.Device;
        int sets = DeviceData.Sets(Type.Size() * ((m * k) + (k * n) + (problem.StartsFromWeight ? m * n : 0)));
        Tensor[] a = [.. Enumerable.Range(0, sets).Select(_ => DeviceData.Normal(device, Type, 1, m * k))];
        Tensor[] b = [.. Enumerable.Range(0, sets).Select(_ => DeviceData.Normal(device, Type, 1, k * n))];
        Tensor[] start = [.. Enumerable.Range(0, sets).Select(_ => DeviceData.Normal(device, Type, 1, problem.StartsFromWeight ? m * n : 1))];
        (long width, long depth) = problem.Blocks ?? (n, 1);
        Tensor[] second = [DeviceData.Normal(device, Type, 1, m * (n / width) * depth), DeviceData.Normal(device, Type, 1, depth * width)];
        DType result = problem.Accumulates ? DType.Float32 : Type;
        using Tensor c = device.Allocate(result, m * n), expected = device.Allocate(result, m * n);
        var to = new Operand(3, result);
        var step = new MatrixProductStep(new Operand(1, Type), new Operand(2, Type), to, m, n, k)
        {
            Label = problem.Name, LayoutA = problem.LayoutA, LayoutB = problem.LayoutB, AddTo = problem.Accumulates ? to : problem.StartsFromWeight ? new Operand(4, Type) : null,
            Blocks = problem.Blocks is null ? null : new BlockProduct(new Operand(5, Type), new Operand(6, Type), depth, width) { LayoutB = problem.LayoutB },
        };
        CompiledStep ours = device.Compile(step);
        using Tensor workspace = device.Allocate(Type, (ours.WorkspaceBytes / Type.Size()) + 1);
        Action<StreamHandle>[] theirs = [.. Enumerable.Range(0, sets).Select(i => bench.Cublas.Product(a[i], problem.LayoutA, b[i], problem.LayoutB, expected, m, n, k, problem.StartsFromWeight ? start[i] : null))];
        double[] seconds = bench.Timer.Medians(
            sets,
            (stream, set) => ours.Run([workspace.Address, a[set].Address, b[set].Address, c.Address, start[set].Address, second[0].Address, second[1].Address], stream),
            (stream, set) => theirs[set](stream));
        Array.ForEach([.. a, .. b, .. start, .. second], tensor => tensor.Dispose());
        double floor = StepFloor.Seconds(step, device.Traits);
        return new ProductRow(
            problem.Name, ours.Description.Split(' ')[0], seconds[0] * 1e6, seconds[1] * 1e6, floor * 1e6, step.Operations / seconds[0] / 1e12, step.Bytes / seconds[0] / 1e9,
            seconds[1] / seconds[0], seconds[0] / floor, problem.Target);
    }

    private sealed record Problem(string Formula, long M, long N, long K, Layout LayoutA, Layout LayoutB, double? Target)
    {
        public string Name => $"{Formula} {M}×{N}×{K}";

        // A gradient in float32 is added to what is there; cuBLASLt only writes it.
        public bool Accumulates { get; init; }

        /// <summary>Columns and depth of a block product's blocks.</summary>
        public (long Width, long Depth)? Blocks { get; init; }

        // W = W0 + A·B in 16 bits.
        public bool StartsFromWeight { get; init; }
    }
}
