namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>
/// Times work on the device: every candidate becomes one CUDA graph for each set of inputs, the candidates run by turns, events stand
/// around each replay, and the median counts. All runs go to one stream, so that all share one scratch.
/// </summary>
/// <param name="device">Where.</param>
/// <param name="repeats">Runs of each candidate that count.</param>
internal sealed class DeviceTimer(CudaDevice device, int repeats) : IDisposable
{
    private const int WarmRuns = 3;

    private readonly CudaStream stream = device.CreateStream();

    /// <summary>Median seconds of each candidate. A candidate is given the stream and the number of its input set.</summary>
    /// <param name="sets">Sets of inputs that are gone through by turns, so that nothing is found in the L2 cache.</param>
    /// <param name="candidates">What to time.</param>
    public double[] Medians(int sets, params IReadOnlyList<Action<StreamHandle, int>> candidates)
    {
        CudaGraph[][] graphs = [.. candidates.Select(candidate => Enumerable.Range(0, sets).Select(set => Capture(candidate, set)).ToArray())];
        var times = candidates.Select(_ => new List<double>()).ToArray();
        using CudaEvent start = device.CreateEvent(), end = device.CreateEvent();
        for (int run = 0; run < WarmRuns + repeats; run++)
        {
            for (int i = 0; i < graphs.Length; i++)
            {
                start.Record(stream);
                graphs[i][run % sets].Launch(stream);
                end.Record(stream);
                end.Synchronize();
                if (run >= WarmRuns)
                {
                    times[i].Add(end.SecondsSince(start));
                }
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
