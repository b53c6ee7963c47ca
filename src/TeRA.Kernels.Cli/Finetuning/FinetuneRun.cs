using System.Diagnostics;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>
/// The main job: pretrain a small network, freeze it, shift the task, adapt it in several ways and compare them on held-out images.
/// </summary>
internal sealed class FinetuneRun(FinetuneOptions options, Device device, string reason, IProgressReport progress, CancellationToken cancellation)
{
    private const float PretrainingRate = 3e-3f;

    private readonly Trainer trainer = new(device, options.Batch, options.Seed, cancellation);
    private readonly (Digits Training, Digits HeldOut) old = Digits.Load(options.Seed);
    private readonly AdapterStore store = new(options.Out, options.Force);

    public FinetuneReport Execute()
    {
        var clock = Stopwatch.StartNew();
        (Digits Training, Digits HeldOut) shifted = (old.Training.Shift(), old.HeldOut.Shift());
        IReadOnlyList<LayerWeights> weights = Pretrain();
        string baseFile = store.SaveBase(weights); // now: a full disk should show before the long part
        var rows = new List<FinetuneRow> { Base(weights, shifted.HeldOut) };
        var tera = new MethodPlan(options.Update);
        rows.Add(Adapt(tera, weights, shifted, network => Train("TeRA", network, shifted, options.LearningRate), null, out LayerDeviation deviation));
        rows.AddRange(options.Methods.Select(method => Adapt(
            method.Plan(weights, options), weights, shifted, network => Train(method.Label, network, shifted, method.LearningRate), method, out _)));
        return new FinetuneReport
        {
            Device = $"{device.Id} ({device.Name})",
            Reason = reason,
            Rows = rows,
            BaseFile = baseFile,
            LargestDeviation = deviation.Relative,
            DeviationRatio = deviation.Ratio,
            TotalSeconds = clock.Elapsed.TotalSeconds,
        };
    }

    /// <summary>Full training from a random start, biases too; the result is what everything else finds frozen.</summary>
    private IReadOnlyList<LayerWeights> Pretrain()
    {
        ulong seed = (ulong)options.Seed;
        IReadOnlyList<LayerWeights> start =
        [
            LayerWeights.Random("fc1", options.Hidden, Digits.Pixels, seed + 1),
            LayerWeights.Random("fc2", options.Hidden, options.Hidden, seed + 2),
            LayerWeights.Random("fc3", Digits.Classes, options.Hidden, seed + 3),
        ];
        using var network = new Network(device, start, new MethodPlan(layer => new FullUpdate(layer.OutFeatures, layer.InFeatures)), new AdaptedLinearOptions { TrainBias = true });
        trainer.Train(network, old.Training, options.PretrainEpochs, PretrainingRate, progress, "pretraining");
        return network.Merge();
    }

    private FinetuneRow Base(IReadOnlyList<LayerWeights> weights, Digits heldOut)
    {
        using var network = new Network(device, weights, new MethodPlan(_ => null));
        return new FinetuneRow("base, frozen", 0, [], 0, double.NaN, network.Accuracy(heldOut), network.Accuracy(old.HeldOut), 0);
    }

    /// <summary>Trains one method, saves its adapter and reads it back.</summary>
    private FinetuneRow Adapt(
        MethodPlan plan, IReadOnlyList<LayerWeights> weights, (Digits Training, Digits HeldOut) task, Func<Network, FinetuneRow> train, ComparedMethod? compared, out LayerDeviation deviation)
    {
        using var network = new Network(device, weights, plan);
        FinetuneRow row = train(network);
        deviation = compared is null ? LayerDeviation.Worst(network, task.HeldOut) : default;
        if (compared is { HasAdapter: false })
        {
            return row;
        }

        string adapter = store.Save(network, plan, compared?.Name);
        return row with { Adapter = adapter, SavedBytes = AdapterStore.Bytes(adapter), ReloadedAccuracy = AdapterStore.Accuracy(device, weights, adapter, task.HeldOut) };
    }

    private FinetuneRow Train(string method, Network network, (Digits Training, Digits HeldOut) task, float rate)
    {
        var clock = Stopwatch.StartNew();
        double loss = trainer.Train(network, task.Training, options.Epochs, rate, progress, method);
        double seconds = clock.Elapsed.TotalSeconds;
        long[] ranks = [.. network.Layers.Select(layer => layer.Update!.RankBound)];
        return new FinetuneRow(
            method, network.TrainedCount, ranks, network.TrainedCount * sizeof(float), loss, network.Accuracy(task.HeldOut), network.Accuracy(old.HeldOut), seconds);
    }
}
