using System.Collections.Immutable;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>layers</c>: forward and a whole step of an adapted layer as ratios to the frozen layer made of two cuBLASLt products.</summary>
internal static class LayersCommand
{
    private const DType Type = DType.BFloat16;

    private static readonly ImmutableArray<long> Modes4096 = [16, 16, 16], Modes14336 = [28, 32, 16], Rank512 = [8, 8, 8];

    private static readonly (string Name, long Tokens, int Layers, TeraUpdate Update)[] Problems =
    [
        ("full rank 4096×4096, B=8192", 8192, 1, new TeraUpdate(Modes4096, Modes4096, Modes4096, Modes4096)),
        ("rank 512 4096×4096, B=8192", 8192, 1, new TeraUpdate(Modes4096, Rank512, Modes4096, Rank512)),
        ("rank 512 4096×4096, B=2048, 8 layers", 2048, 8, new TeraUpdate(Modes4096, Rank512, Modes4096, Rank512)),
        ("rank 512 N=14336 K=4096, B=8192", 8192, 1, new TeraUpdate(Modes14336, Rank512, Modes4096, Rank512)),
        ("rank 512 N=4096 K=14336, B=8192", 8192, 1, new TeraUpdate(Modes4096, Rank512, Modes14336, Rank512)),
    ];

    /// <summary>Runs it.</summary>
    public static Report Run(CudaDevice device)
    {
        var report = new Report(device, "frozen_us", "frozen_step", "forward_us", "step_us", "forward", "step");
        using var cublas = new CublasLt(device);
        foreach ((string name, long tokens, int layers, TeraUpdate update) in Problems)
        {
            foreach (WeightPolicy policy in new[] { WeightPolicy.Rebuild, WeightPolicy.Keep })
            {
                Measure(device, cublas, report, $"{name}, {policy}", tokens, layers, update, policy);
            }
        }

        return report;
    }

    private static void Measure(CudaDevice device, CublasLt cublas, Report report, string name, long tokens, int layers, TeraUpdate update, WeightPolicy policy)
    {
        long n = update.OutFeatures, k = update.InFeatures;
        var options = new AdaptedLinearOptions { WeightPolicy = policy };
        int sets = layers > 1 ? 1 : DeviceData.Sets(2 * ((tokens * (n + k)) + (n * k)));
        // One set holds X, dY and W0; a chain of layers passes its activations on, and is longer than the cache by itself.
        Tensor[] weights = [.. Enumerable.Range(0, sets * layers).Select(_ => DeviceData.Normal(device, Type, 1 / Math.Sqrt(k), n, k))];
        Tensor[] x = Tensors(layers > 1 ? layers + 1 : sets, k), dy = Tensors(layers > 1 ? layers + 1 : sets, n);
        using Tensor y = device.Allocate(Type, tokens, n), dx = device.Allocate(Type, tokens, k);
        AdaptedLinear[] adapted = [.. weights.Select(weight => new AdaptedLinear(device, weight, null, update, options))];
        foreach (Parameter parameter in adapted.SelectMany(layer => layer.Parameters))
        {
            DeviceData.FillNormal(device, parameter.Value, 1);
        }

        LayerContext[] contexts = [.. adapted.Select(_ => new LayerContext())];
        (Action<StreamHandle> Forward, Action<StreamHandle> Backward)[] frozen =
        [
            .. weights.Select((weight, i) => (
                cublas.Product(x[i], Layout.Normal, weight, Layout.Transposed, Output(i), tokens, n, k),
                cublas.Product(OutputGradient(i), Layout.Normal, weight, Layout.Normal, InputGradient(i), tokens, k, n))),
        ];
        double[] seconds = new DeviceTimer(device).Medians(
            sets,
            (stream, set) => All(set, i => frozen[i].Forward(stream)),
            (stream, set) =>
            {
                All(set, i => frozen[i].Forward(stream));
                Back(set, i => frozen[i].Backward(stream));
            },
            (stream, set) => All(set, i => adapted[i].Forward(x[i], Output(i), contexts[i], stream)),
            (stream, set) =>
            {
                All(set, i => adapted[i].Forward(x[i], Output(i), contexts[i], stream));
                Back(set, i => adapted[i].Backward(contexts[i], x[i], OutputGradient(i), InputGradient(i), stream));
            });
        report.Add(name, seconds[0] * 1e6, seconds[1] * 1e6, seconds[2] * 1e6, seconds[3] * 1e6, seconds[2] / seconds[0], seconds[3] / seconds[1]);
        IDisposable[] owned = [.. contexts, .. adapted, .. weights, .. x, .. dy];
        Array.ForEach(owned, item => item.Dispose());

        Tensor[] Tensors(int count, long width) => [.. Enumerable.Range(0, count).Select(_ => DeviceData.Normal(device, Type, 1, tokens, width))];

        // In a chain, layer i goes from activation i to i + 1, and back; alone, set i has its own input and all share one output.
        // In a chain, layer i goes from activation i to i + 1, and back; alone, set i has its own input and all share one output.
        Tensor Output(int i) => layers > 1 ? x[i + 1] : y;

        Tensor OutputGradient(int i) => layers > 1 ? dy[i + 1] : dy[i];

        Tensor InputGradient(int i) => layers > 1 ? dy[i] : dx;

        void All(int set, Action<int> run)
        {
            for (int i = 0; i < layers; i++)
            {
                run((set * layers) + i);
            }
        }

        void Back(int set, Action<int> run)
        {
            for (int i = layers - 1; i >= 0; i--)
            {
                run((set * layers) + i);
            }
        }
    }
}
