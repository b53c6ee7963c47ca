namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>
/// Times work on the device: every candidate becomes one CUDA graph for each set of inputs, the candidates run by turns, events stand
/// around each replay, and the median counts. All runs go to one stream, so that all share one scratch.
/// </summary>
/// <param name="device">Where.</param>
/// <param name="repeats">Runs of each candidate that count.</param>
internal sealed class DeviceTimer(CudaDevice device, int repeats) : IDisposable
{
    // A card that waited while the host prepared something has lowered its clocks; short work needs many runs to raise them.
    private const int WarmRuns = 3;
    private const double WarmSeconds = 3e-3;

    private readonly CudaStream stream = device.CreateStream();

    /// <summary>Median seconds of each candidate. A candidate is given the stream and the number of its input set.</summary>
    /// <param name="sets">Sets of inputs that are gone through by turns, so that nothing is found in the L2 cache.</param>
    /// <param name="candidates">What to time.</param>
    public double[] Medians(int sets, params IReadOnlyList<Action<StreamHandle, int>> candidates)
    {
        CudaGraph[][] graphs = [.. candidates.Select(candidate => Enumerable.Range(0, sets).Select(set => Capture(candidate, set)).ToArray())];
        var times = candidates.Select(_ => new List<double>()).ToArray();
        using CudaEvent start = device.CreateEvent(), end = device.CreateEvent();
        int run = 0;
        for (double warm = 0; run < WarmRuns || warm < WarmSeconds; run++)
        {
            warm += graphs.Sum(list => Seconds(list[run % sets], start, end));
        }

        for (int counted = 0; counted < repeats; counted++, run++)
        {
            for (int i = 0; i < graphs.Length; i++)
            {
                times[i].Add(Seconds(graphs[i][run % sets], start, end));
            }
        }

        foreach (CudaGraph graph in graphs.SelectMany(list => list))
        {
            graph.Dispose();
        }

        return [.. times.Select(Median)];
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private double Seconds(CudaGraph graph, CudaEvent start, CudaEvent end)
    {
        start.Record(stream);
        graph.Launch(stream);
        end.Record(stream);
        end.Synchronize();
        return end.SecondsSince(start);
    }

    // One run outside the capture allocates what is allocated once.
    private CudaGraph Capture(Action<StreamHandle, int> candidate, int set)
    {
        candidate(stream, set);
        stream.Synchronize();
        stream.BeginCapture();
        candidate(stream, set);
        return stream.EndCapture();
    }
}
